use alloc::collections::VecDeque;

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn agrees_with_a_queue(steps in prop::collection::vec((0..3_u8, 0..8_u32), 0..100)) {
        let (mut line, mut model) = (Line::new(), VecDeque::new());
        (0..8).for_each(|id| line.admit(ClientId::new(id)));
        for (what, id) in steps {
            let id = ClientId::new(id);
            match what {
                0 => {
                    let new = !model.contains(&id);
                    if new {
                        model.push_back(id);
                    }
                    prop_assert_eq!(line.push(id), new);
                }
                1 => prop_assert_eq!(line.pop(), model.pop_front()),
                _ => {
                    let place = model.iter().position(|other| *other == id);
                    if let Some(place) = place {
                        model.remove(place);
                    }
                    prop_assert_eq!(line.remove(id), place.is_some());
                }
            }
            prop_assert_eq!(line.len(), model.len());
        }
        while let Some(id) = line.pop() {
            prop_assert_eq!(Some(id), model.pop_front());
        }
        prop_assert!(model.is_empty());
    }
}

#[test]
fn a_client_that_was_not_admitted_is_passed_over() {
    let mut line = Line::new();
    assert!(!line.push(ClientId::new(0)));
    assert_eq!(line.pop(), None);
}
