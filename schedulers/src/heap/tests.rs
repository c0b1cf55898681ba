extern crate std;

use alloc::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Set(u32, u8),
    Remove(u32),
    Pop,
    Exchange(u32, u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..40_u32, any::<u8>()).prop_map(|(id, key)| Step::Set(id, key)),
        2 => (0..40_u32).prop_map(Step::Remove),
        1 => Just(Step::Pop),
        1 => (0..40_u32, any::<u8>()).prop_map(|(id, key)| Step::Exchange(id, key)),
    ]
}

fn smallest(model: &BTreeMap<u32, u8>) -> Option<Entry> {
    let first = model.iter().map(|(id, number)| (*number, *id)).min();
    first.map(|(number, id)| Entry::new(ClientId::new(id), key(number)))
}

/// The key of a small number, as these tests have them.
fn key(number: u8) -> Key {
    Key::of_pair(0, u64::from(number))
}

fn check(heap: &Heap, model: &BTreeMap<u32, u8>) {
    assert_eq!(heap.entries.len(), model.len());
    for (place, entry) in heap.entries.iter().enumerate() {
        assert_eq!(model.get(&entry.id().get()).map(|n| key(*n)), Some(entry.key()));
        assert_eq!(heap.places[entry.id().index()] as usize, place);
        assert!(place == 0 || heap.entries[(place - 1) / CHILDREN] <= *entry);
    }
    let absent = heap.places.iter().filter(|place| **place == NOWHERE).count();
    assert_eq!(absent + model.len(), heap.places.len());
}

proptest! {
    #[test]
    fn agrees_with_a_sorted_model(steps in prop::collection::vec(step(), 0..200)) {
        let (mut heap, mut model) = (Heap::new(), BTreeMap::new());
        (0..40).for_each(|id| heap.admit(ClientId::new(id)));
        for step in steps {
            match step {
                Step::Set(id, number) => {
                    heap.set(ClientId::new(id), key(number));
                    model.insert(id, number);
                }
                Step::Remove(id) => {
                    let was_in = model.remove(&id).is_some();
                    prop_assert_eq!(heap.remove(ClientId::new(id)), was_in);
                }
                Step::Pop => {
                    let expected = smallest(&model);
                    prop_assert_eq!(heap.pop(), expected);
                    if let Some(first) = expected {
                        model.remove(&first.id().get());
                    }
                }
                Step::Exchange(id, number) => {
                    heap.remove(ClientId::new(id));
                    model.insert(id, number);
                    let taken = heap.exchange(Entry::new(ClientId::new(id), key(number)));
                    prop_assert_eq!(Some(taken), smallest(&model));
                    model.remove(&taken.id().get());
                }
            }
            prop_assert_eq!(heap.first(), smallest(&model));
            check(&heap, &model);
        }
    }
}

#[test]
fn equal_keys_leave_by_identifier() {
    let mut heap = Heap::new();
    for id in [5, 1, 4, 2, 3, 0] {
        heap.admit(ClientId::new(id));
        heap.set(ClientId::new(id), key(7));
    }
    for id in 0..6 {
        assert_eq!(heap.pop(), Some(Entry::new(ClientId::new(id), key(7))));
    }
    assert_eq!(heap.pop(), None);
}

#[test]
fn a_client_that_was_not_admitted_is_passed_over() {
    let mut heap = Heap::new();
    heap.set(ClientId::new(3), key(1));
    assert!(heap.is_empty());
    assert!(!heap.remove(ClientId::new(3)));
}
