//! The configuration that is built in: one activity, which has the whole machine.

use std::fmt::Write as _;

use crate::machine::size::Cores;

/// Its text, for so many cores and this program.
pub fn text(cores: Cores, program: &[String]) -> String {
    let mut xml = String::from(
        "<?xml version=\"1.0\"?>\n<!-- Built in: one activity, which has the whole machine. -->\n\
         <schedulerconfig>\n",
    );
    // Writing to a string does not fail.
    let mut line = |text: std::fmt::Arguments<'_>| {
        let _ = writeln!(xml, "  {text}");
    };
    for core in 0..cores.get() {
        line(format_args!(
            "<cpumultiplexor tag=\"cpumux{core}\" core=\"{core}\" algorithm=\"propshare.wfq\"/>"
        ));
    }
    // The other resources have the kernel's defaults.
    line(format_args!(
        "<resourcescheduler resource=\"resource.thread\" algorithm=\"propshare.round-robin\">"
    ));
    for core in 0..cores.get() {
        line(format_args!("  <cpumultiplexor tag=\"cpumux{core}\"/>"));
    }
    line(format_args!("</resourcescheduler>"));
    line(format_args!("<activity name=\"main\" share=\"100\"/>"));
    line(format_args!("<service activity=\"main\">"));
    if let Some((program, arguments)) = program.split_first() {
        line(format_args!("  <program> {} </program>", escaped(program)));
        for argument in arguments {
            line(format_args!("  <argument> {} </argument>", escaped(argument)));
        }
    }
    line(format_args!("</service>"));
    xml.push_str("</schedulerconfig>\n");
    xml
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_sound_and_starts_the_program() {
        let program = ["/bin/busybox", "sh", "-c", "echo a<b && c"].map(String::from);
        for cores in [1, 4, 64] {
            let text = text(Cores::new(cores).unwrap(), &program);
            let config = vortex_config::parse(&text).unwrap();
            assert_eq!(config.multiplexors.len(), usize::from(cores));
            assert_eq!(config.services[0].program, program[0]);
            assert_eq!(config.services[0].arguments, program[1..]);
        }
    }
}
