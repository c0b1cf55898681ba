//! The heap node and its owner.

use alloc::alloc::{Layout, alloc};
use alloc::boxed::Box;
use core::ops::{Deref, DerefMut};
use core::pin::Pin;
use core::ptr::NonNull;

use cordyceps::{Linked, list, stack};

/// A value with the links that let it stand in a queue or an inbox.
pub(crate) struct Node<T> {
    queue: list::Links<Self>,
    inbox: stack::Links<Self>,
    value: T,
}

impl<T> Node<T> {
    pub(crate) fn value(&self) -> &T {
        &self.value
    }

    /// The value of a node that stays where it is.
    pub(crate) fn value_mut(self: Pin<&mut Self>) -> &mut T {
        // SAFETY: only the links must not move, because other nodes point at them; the
        // reference given out reaches the value alone.
        let node = unsafe { self.get_unchecked_mut() };
        &mut node.value
    }
}

/// Sole ownership of a node that stands in no container.
#[derive(Debug)]
pub struct Parcel<T>(Box<Node<T>>);

impl<T> core::fmt::Debug for Node<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Node")
    }
}

impl<T> Parcel<T> {
    /// The bytes that a node takes beside its value.
    pub const OVERHEAD: usize = size_of::<Node<T>>() - size_of::<T>();

    /// Puts a value into a node of its own.
    ///
    /// # Errors
    /// Gives the value back where the heap has no room: the caller refuses its sender;
    /// running out of memory is never a panic.
    pub fn try_new(value: T) -> Result<Self, T> {
        let node = Node { queue: list::Links::default(), inbox: stack::Links::default(), value };
        let layout = Layout::new::<Node<T>>();
        // SAFETY: the layout's size is not zero, the links alone take room.
        let place = unsafe { alloc(layout) }.cast::<Node<T>>();
        if place.is_null() {
            return Err(node.value);
        }
        // SAFETY: `place` was just allocated with the layout of a node and is not null.
        unsafe { place.write(node) };
        // SAFETY: `place` holds a node, came from the global allocator with its layout, and
        // no one else has it.
        Ok(Self(unsafe { Box::from_raw(place) }))
    }

    /// Takes the value out and frees the node.
    #[must_use]
    pub fn into_inner(self) -> T {
        let Node { value, .. } = *self.0;
        value
    }
}

impl<T> Deref for Parcel<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T> DerefMut for Parcel<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0.value
    }
}

// SAFETY: the handle is the box that owns the node, turned into its raw pointer and back
// without change; while it is a pointer nothing else owns the node, so it neither moves nor
// is dropped, and the links are reached through that pointer with its provenance.
unsafe impl<T> Linked<list::Links<Self>> for Node<T> {
    type Handle = Parcel<T>;

    fn into_ptr(parcel: Parcel<T>) -> NonNull<Self> {
        // SAFETY: a box's pointer is never null.
        unsafe { NonNull::new_unchecked(Box::into_raw(parcel.0)) }
    }

    unsafe fn from_ptr(pointer: NonNull<Self>) -> Parcel<T> {
        // SAFETY: the caller passes what `into_ptr` made, once.
        Parcel(unsafe { Box::from_raw(pointer.as_ptr()) })
    }

    unsafe fn links(pointer: NonNull<Self>) -> NonNull<list::Links<Self>> {
        // SAFETY: the caller passes a pointer to a live node; no reference is made.
        let links = unsafe { &raw mut (*pointer.as_ptr()).queue };
        // SAFETY: a field of a live node is not at address zero.
        unsafe { NonNull::new_unchecked(links) }
    }
}

// SAFETY: as above; the inbox has links of its own, because the stack reads them from other
// cores while the list's are plain fields.
unsafe impl<T> Linked<stack::Links<Self>> for Node<T> {
    type Handle = Parcel<T>;

    fn into_ptr(parcel: Parcel<T>) -> NonNull<Self> {
        // SAFETY: a box's pointer is never null.
        unsafe { NonNull::new_unchecked(Box::into_raw(parcel.0)) }
    }

    unsafe fn from_ptr(pointer: NonNull<Self>) -> Parcel<T> {
        // SAFETY: the caller passes what `into_ptr` made, once.
        Parcel(unsafe { Box::from_raw(pointer.as_ptr()) })
    }

    unsafe fn links(pointer: NonNull<Self>) -> NonNull<stack::Links<Self>> {
        // SAFETY: the caller passes a pointer to a live node; no reference is made.
        let links = unsafe { &raw mut (*pointer.as_ptr()).inbox };
        // SAFETY: a field of a live node is not at address zero.
        unsafe { NonNull::new_unchecked(links) }
    }
}
