//! Proof on images that `mke2fs` made, with `e2fsck` and `debugfs` as oracles.

mod cuts;
mod damage;
mod disk;
mod driver;
mod full;
mod images;
mod large;
mod model;
mod purse;
mod random;
mod tools;
