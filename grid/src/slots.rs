//! The slots of a core: places that are used again when an instance has gone.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::message::Message;
use crate::slot::Slot;

/// A core's slots, by place. Each lies by itself: when there are more, none is moved, which with
/// hundreds of them would be more than one run may take (law 5).
pub(crate) struct Slots<M: Message> {
    places: Vec<Option<Box<Slot<M>>>>,
    free: Vec<usize>,
}

impl<M: Message> Slots<M> {
    pub fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    /// Where the next slot will be.
    pub fn next(&mut self) -> usize {
        match self.free.last() {
            Some(&place) => place,
            None => {
                self.places.push(None);
                self.free.push(self.places.len() - 1);
                self.places.len() - 1
            }
        }
    }

    /// Puts a slot where the next one is to be.
    pub fn insert(&mut self, slot: Slot<M>) {
        let place = self.next();
        if let Some(entry) = self.places.get_mut(place) {
            *entry = Some(Box::new(slot));
            self.free.pop();
        }
    }

    pub fn remove(&mut self, place: usize) -> Option<Slot<M>> {
        let slot = self.places.get_mut(place)?.take()?;
        self.free.push(place);
        Some(*slot)
    }

    #[inline]
    pub fn get(&self, place: usize) -> Option<&Slot<M>> {
        self.places.get(place)?.as_deref()
    }

    #[inline]
    pub fn get_mut(&mut self, place: usize) -> Option<&mut Slot<M>> {
        self.places.get_mut(place)?.as_deref_mut()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Slot<M>> {
        self.places.iter().flatten().map(|slot| &**slot)
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot<M>> {
        self.places.iter_mut().flatten().map(|slot| &mut **slot)
    }

    /// The same, each with its place.
    pub fn places_mut(&mut self) -> impl Iterator<Item = (usize, &mut Slot<M>)> {
        let all = self.places.iter_mut().enumerate();
        all.filter_map(|(place, slot)| Some((place, &mut **slot.as_mut()?)))
    }

    /// How many places there are, free ones included.
    pub fn places(&self) -> usize {
        self.places.len()
    }

    /// Where the slots are of which this holds.
    pub fn places_of(&self, wanted: impl Fn(&Slot<M>) -> bool) -> Vec<usize> {
        let all = self.places.iter().enumerate();
        all.filter(|(_, slot)| slot.as_deref().is_some_and(&wanted))
            .map(|(place, _)| place)
            .collect()
    }
}
