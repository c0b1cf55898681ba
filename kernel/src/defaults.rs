//! What is configured where the configuration says nothing.

use alloc::format;
use alloc::string::String;

/// The configuration of a machine that was given none: a multiplexor a core, threads on
/// all cores, one activity.
pub fn configuration(cores: u16) -> String {
    let mut text = String::from("<schedulerconfig>\n");
    for core in 0..cores {
        text += &format!(
            "<cpumultiplexor tag=\"cpumux{core}\" core=\"{core}\" algorithm=\"propshare.wfq\"/>\n"
        );
    }
    text +=
        "<resourcescheduler resource=\"resource.thread\" algorithm=\"propshare.round-robin\">\n";
    for core in 0..cores {
        text += &format!("<cpumultiplexor tag=\"cpumux{core}\"/>\n");
    }
    text += "</resourcescheduler>\n<activity name=\"init\" share=\"100\"/>\n</schedulerconfig>\n";
    text
}
