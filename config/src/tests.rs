extern crate std;

use super::*;
use vortex_units::CoreId;

pub(crate) const FIGURE_6: &str = include_str!("../tests/figure-6.xml");

#[test]
fn figure_6_loads_as_it_stands() {
    let config = parse(FIGURE_6).unwrap();
    assert_eq!(config.multiplexors.len(), 2);
    assert_eq!(config.resources[0].algorithm.name, "propshare.round-robin");
    assert_eq!(config.resources[1].algorithm.name, "priority.strict");
    assert_eq!(config.resources[0].cores, [CoreId::new(0), CoreId::new(1)]);
    assert_eq!(config.resources[1].cores, [CoreId::new(0)]);
    assert_eq!(config.resources[0].draws[1].share.map(|s| s.hundredths()), Some(4_000));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let _ = analyse(&config);
}
