//! The bounds, and whether they hold.

use super::figures::Figures;
use crate::commands::experiment::checks::Check;

/// What the host's scheduler may take from a core in one piece, while the machine's clock
/// goes on, in milliseconds. Under counted time the clock stops with its core, if there is
/// but one; of several, all but one stand still for a timeslice at most.
const HOST_QUANTUM: f64 = 4.0;
/// Points that a share's mean may be off (Linux in the same machine: 0.1).
const MEAN: f64 = 0.05;
/// Per cent of all cycles that the infrastructure may have.
const INFRASTRUCTURE: f64 = 0.5;

/// Points that one sample may be off: one timeslice in its second (§4.1), and one quantum
/// of what executes the machine.
pub fn sample_bound(figures: &Figures) -> f64 {
    let shortest = figures.rows.iter().map(|row| row.seconds).fold(f64::INFINITY, f64::min);
    let pieces = f64::from(figures.timeslice) + quantum(figures);
    pieces / (shortest.max(0.001) * 10.0)
}

/// That quantum, in milliseconds.
pub fn quantum(figures: &Figures) -> f64 {
    match (figures.counted, figures.cores) {
        (true, 1) => 0.0,
        (true, _) => f64::from(figures.timeslice),
        (false, _) => HOST_QUANTUM,
    }
}

/// All bounds.
pub fn checks(main: &Figures, others: &[Figures]) -> Vec<Check> {
    let check = |what: String, measured: f64, bound: f64, unit| {
        let holds = measured <= bound;
        Check { what, measured, bound, unit, holds }
    };
    let mut all = Vec::new();
    for figures in [main].into_iter().chain(others) {
        let slice = figures.timeslice;
        let what = format!("unaccounted at {slice} ms");
        all.push(check(what, figures.unaccounted.unsigned_abs() as f64, 0.0, "cycles"));
        let what = format!("largest deviation of a sample at {slice} ms");
        all.push(check(what, figures.largest_deviation, sample_bound(figures), "points"));
    }
    // What is off in one sample is made good in the next: over the time only its ends are.
    // That is more than the bound in runs of a few seconds alone.
    let ends = sample_bound(main) / main.seconds.max(1.0);
    let what = "largest deviation of a mean".to_string();
    all.push(check(what, main.mean_deviation, MEAN.max(ends), "points"));
    let infrastructure = main.per_cent(main.infrastructure as f64);
    all.push(check("infrastructure".into(), infrastructure, INFRASTRUCTURE, "%"));
    all
}

#[cfg(test)]
mod tests {
    use super::super::figures::Row;
    use super::*;

    fn figures(counted: bool, cores: u16) -> Figures {
        let row = Row { sample: 1, core: 0, seconds: 1.0, shares: [50.0, 33.0, 17.0] };
        Figures {
            timeslice: 5,
            cores,
            counted,
            megahertz: 1,
            seconds: 100.0,
            rows: vec![row],
            means: [50.0, 33.0, 17.0],
            mean_deviation: 0.01,
            sample_deviation: 0.1,
            largest_deviation: 0.49,
            available: 1_000,
            unaccounted: 0,
            unaccounted_by_core_0: 3,
            beside_clients: 0,
            infrastructure: 4,
            sampler: 1,
            idle: 0,
        }
    }

    #[test]
    fn at_5_ms_a_sample_is_within_half_a_point_and_a_quantum() {
        assert!((sample_bound(&figures(true, 1)) - 0.5).abs() < 1e-9);
        assert!((sample_bound(&figures(false, 2)) - 0.9).abs() < 1e-9);
        assert!(checks(&figures(true, 1), &[]).iter().all(|check| check.holds));
    }

    #[test]
    fn a_mean_is_within_its_bound_however_many_cores_take_turns() {
        let holds = |mean_deviation, seconds| {
            let figures = Figures { mean_deviation, seconds, ..figures(true, 8) };
            checks(&figures, &[]).iter().all(|check| check.holds)
        };
        assert!(holds(0.05, 100.0) && !holds(0.051, 100.0));
        assert!(holds(0.24, 4.0) && !holds(0.26, 4.0));
    }

    #[test]
    fn one_cycle_on_nobodys_bill_fails() {
        for lost in [1, -1] {
            let wrong = Figures { unaccounted: lost, ..figures(true, 1) };
            assert!(checks(&figures(true, 1), &[wrong]).iter().any(|check| !check.holds));
        }
        let wrong = Figures { infrastructure: 6, ..figures(true, 1) };
        assert!(checks(&wrong, &[]).iter().any(|check| !check.holds));
    }
}
