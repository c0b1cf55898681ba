extern crate std;

use super::*;
use std::sync::Arc;
use std::thread;
use std::vec::Vec;

fn parcel<T: core::fmt::Debug>(value: T) -> Parcel<T> {
    Parcel::try_new(value).expect("the test has memory")
}

fn contents(fifo: &Fifo<u32>) -> Vec<u32> {
    fifo.iter().copied().collect()
}

#[test]
fn a_queue_keeps_order_and_takes_back_at_its_head() {
    let mut fifo = Fifo::new();
    (0..4).for_each(|n| fifo.push_back(parcel(n)));
    let first = fifo.pop_front().unwrap();
    fifo.push_front(first);
    assert_eq!(contents(&fifo), [0, 1, 2, 3]);
    assert_eq!(*fifo.remove(2).unwrap(), 2);
    assert!(fifo.remove(3).is_none());
    assert_eq!(contents(&fifo), [0, 1, 3]);
}

#[test]
fn extracting_keeps_both_orders() {
    let mut fifo = Fifo::new();
    (0..7).for_each(|n| fifo.push_back(parcel(n)));
    let mut odd = fifo.extract(|n| n % 2 == 1);
    assert_eq!(contents(&odd), [1, 3, 5]);
    assert_eq!(contents(&fifo), [0, 2, 4, 6]);
    fifo.append(&mut odd);
    assert_eq!(contents(&fifo), [0, 2, 4, 6, 1, 3, 5]);
    assert!(odd.is_empty());
    fifo.iter_mut().for_each(|n| *n += 1);
    assert_eq!(fifo.front(), Some(&1));
}

#[test]
fn what_is_queued_is_dropped_with_its_queue() {
    let counted = Arc::new(());
    let mut fifo = Fifo::new();
    fifo.push_back(parcel(counted.clone()));
    let inbox = Inbox::new();
    inbox.push(parcel(counted.clone()));
    assert_eq!(Arc::strong_count(&counted), 3);
    drop(fifo);
    drop(inbox);
    assert_eq!(Arc::strong_count(&counted), 1);
    assert_eq!(parcel(5).into_inner(), 5);
}

#[test]
fn an_inbox_keeps_each_senders_order() {
    const EACH: u32 = if cfg!(miri) { 50 } else { 10_000 };
    let inbox = Arc::new(Inbox::new());
    let senders: Vec<_> = (0..3u32)
        .map(|sender| {
            let inbox = inbox.clone();
            thread::spawn(move || {
                for n in 0..EACH {
                    inbox.push(parcel((sender, n)));
                }
            })
        })
        .collect();
    let mut next = [0u32; 3];
    while next.iter().sum::<u32>() < 3 * EACH {
        let mut arrived = inbox.take_all();
        while let Some(p) = arrived.pop_front() {
            let (sender, n) = *p;
            assert_eq!(next[sender as usize], n);
            next[sender as usize] += 1;
        }
    }
    senders.into_iter().for_each(|s| s.join().unwrap());
    assert!(inbox.is_empty());
}
