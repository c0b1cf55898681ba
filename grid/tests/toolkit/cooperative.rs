//! Cooperative threading: handlers written as `async` functions.

use std::sync::{Arc, Mutex};

use super::support::{Answer, First, Job, Msg, What, World};
use vortex_grid::{
    Class, Cooperative, InstanceSpec, Labels, Parent, Port, ReplyError, Standing, Task, Threads,
};
use vortex_units::{ActivityId, CoreId, Share};

/// Sums what a probe answers to as many questions as it was asked for.
struct Summing {
    probe: Port<super::support::Probe>,
    served: u64,
    results: Results,
}

#[derive(Clone)]
struct Sum(u64);

impl Cooperative<Msg> for Summing {
    type Request = Job;
    type Reply = Answer;
    const FAN_OUT: u32 = 2;
    const TASK_LIMIT: usize = 512;

    async fn serve(task: Task<Msg, Self>, job: Job) -> Option<Answer> {
        let probe = task.with(|state| state.probe)?;
        let mut sum = Sum(0);
        for _ in 0..3 {
            let question = Job { id: 1_000 + job.id, acts: job.acts.clone() };
            match task.ask(probe, Labels::NONE, question).await {
                Ok(Answer(id)) => sum.0 += id,
                Err(error) => {
                    task.with(|state| state.results.lock().unwrap().push(Err(error)));
                    return None;
                }
            }
            task.again().await;
        }
        task.with(|state| {
            state.served += 1;
            state.results.lock().unwrap().push(Ok(sum.0));
        });
        Some(Answer(sum.0))
    }
}

type Results = Arc<Mutex<Vec<Result<u64, ReplyError>>>>;

fn world(far: u16) -> (World, Port<Threads<Msg, Summing>>, Results) {
    let mut world = World::new(2, 8);
    let probe = world.probe(&[far], First::anywhere());
    let results = Arc::new(Mutex::new(Vec::new()));
    let given = results.clone();
    let port = world.grid.add(
        InstanceSpec {
            name: "summing".into(),
            class: Class(9),
            scheduler: First::anywhere(),
            cores: vec![(CoreId::new(0), Parent::Multiplexor(Standing::new(Share::ONE)))],
            owner: ActivityId::INFRASTRUCTURE,
            batch: 1,
            favours: None,
        },
        move |_| Threads::new(Summing { probe, served: 0, results: given.clone() }),
    );
    (world, port, results)
}

#[test]
fn tasks_wait_and_go_on_each_with_its_own_state() {
    for far in [0, 1] {
        let (mut world, port, results) = world(far);
        let a = world.activity(50);
        for id in 1..=5 {
            world.cores[0].root(a, port, Labels::NONE, Job { id, acts: vec![] }).unwrap();
        }
        world.settle();
        let mut got = results.lock().unwrap().clone();
        got.sort_by_key(|r| r.unwrap());
        assert_eq!(got, (1..=5).map(|id| Ok(3 * (1_000 + id))).collect::<Vec<_>>());
        assert_eq!(world.grid.activities().nodes(a), 0);
        // Every resumption is a request dispatched and measured.
        let report = world.cores[0].report();
        let row = report.clients.iter().find(|c| c.resource == "summing").unwrap();
        assert_eq!(row.usage.runs.get(), 5);
        assert!(row.usage.cycles.get() >= 5 * 7 * 10, "all seven resumptions are charged");
    }
}

#[test]
fn an_answer_that_never_comes_is_an_error_to_the_task() {
    let (mut world, port, results) = world(1);
    let a = world.activity(50);
    let keep = super::support::Act::Keep;
    world.cores[0].root(a, port, Labels::NONE, Job { id: 1, acts: vec![keep] }).unwrap();
    world.settle();
    assert!(results.lock().unwrap().is_empty(), "the probe keeps it");
    let probe = world.ports[0];
    world.root(1, a, probe, Labels::NONE, vec![super::support::Act::Drop]).unwrap();
    world.settle();
    assert_eq!(*results.lock().unwrap(), [Err(ReplyError::Dropped)]);
    assert_eq!(world.grid.activities().nodes(a), 0);
    assert_eq!(world.order(What::Began).len(), 2);
}
