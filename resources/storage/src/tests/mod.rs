//! Tests, a file each topic; here what they share.

mod answers;
mod chain;
mod disk;
mod isolation;
mod partitions;
mod policies;
mod ram;
mod world;
mod wrong;
