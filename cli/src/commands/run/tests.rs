//! What the arguments and the configuration make of a machine.

use vortex_config::parse;

use super::*;

fn config(cores: u16) -> Config {
    let program = ["/bin/x".to_string()];
    parse(&built_in::text(Cores::new(cores).unwrap(), &program)).unwrap()
}

#[test]
fn there_are_as_many_cores_as_the_configuration_uses_or_more() {
    let asked = |number| Cores::new(number);
    assert_eq!(cores(None, &config(4)).unwrap().get(), 4);
    assert_eq!(cores(asked(8), &config(4)).unwrap().get(), 8);
    let few = cores(asked(2), &config(4)).unwrap_err();
    assert!(matches!(few, Failure::FewCores { needs: 4, .. }));
    assert!(few.to_string().contains("uses core 3"));
}

#[test]
fn memory_is_what_the_configuration_was_made_for() {
    assert_eq!(memory(&config(1)).bytes(), 256 << 20);
    let mut tiny = config(1);
    tiny.machine.memory = vortex_units::Frames::new(4096);
    assert_eq!(memory(&tiny), Memory::LEAST);
}

#[test]
fn an_argument_that_xml_would_change_is_refused() {
    let arguments = |words: &[&str]| {
        use clap::Parser as _;
        let line = ["vortex", "run", "--", "/bin/x"].into_iter().chain(words.iter().copied());
        match crate::args::Args::parse_from(line).command {
            crate::args::Command::Run(run) => *run,
            other => panic!("{other:?}"),
        }
    };
    let (_, config) = configuration(&arguments(&["-c", "a < b"]), None).unwrap().unwrap();
    assert_eq!(config.services[0].arguments, ["-c", "a < b"]);
    let spaced = configuration(&arguments(&[" x "]), None);
    assert!(matches!(spaced, Err(Failure::NoArgument(text)) if text == " x "));
    assert!(configuration(&arguments(&["\u{1}"]), None).unwrap().is_none());
}
