//! Proof on images that `mke2fs` made, with `e2fsck` and `debugfs` as oracles.

mod cuts;
mod disk;
mod driver;
mod images;
mod model;
mod random;
mod tools;
