//! Tells the linker where the kernel lies.

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../machine/link.ld");
    println!("cargo::rustc-link-arg-bins=-T{script}");
    println!("cargo::rustc-link-arg-bins=--gc-sections");
    println!("cargo::rerun-if-changed={script}");
}
