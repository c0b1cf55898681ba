//! Generates the types and the decoder of the system calls from `calls.toml`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    call: Vec<Call>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    number: u32,
    name: String,
    to: String,
    arguments: Vec<String>,
    #[serde(default)]
    most: Option<u32>,
    about: String,
}

/// An argument: its name, its kind, and for a span its length.
struct Argument {
    name: String,
    kind: String,
    length: Option<String>,
    optional: bool,
}

fn main() {
    println!("cargo::rerun-if-changed=calls.toml");
    let text = fs::read_to_string("calls.toml").expect("calls.toml is beside this");
    let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("calls.toml: {error}"));
    let code = generate(&file.call);
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("calls.rs");
    fs::write(out, code).expect("the build's folder can be written");
}

fn generate(calls: &[Call]) -> String {
    let mut by_target: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    for call in calls {
        by_target.entry(&call.to).or_default().push(call);
    }
    let mut code = String::new();
    for (target, calls) in &by_target {
        let _ = writeln!(
            code,
            "/// The calls of `{target}`.\n#[derive(Clone, Copy, Debug, PartialEq, Eq)]\npub enum {} {{",
            camel(target)
        );
        for call in calls {
            let _ = writeln!(code, "/// {}", call.about);
            let _ = write!(code, "{}", camel(&call.name));
            let arguments: Vec<_> =
                call.arguments.iter().map(|text| argument(call, text)).collect();
            if !arguments.is_empty() {
                code += " {\n";
                for argument in &arguments {
                    let _ = writeln!(
                        code,
                        "/// `{}`.\n{}: {},",
                        argument.name,
                        argument.name,
                        kind(argument)
                    );
                }
                code += "}";
            }
            code += ",\n";
        }
        code += "}\n";
        names(&mut code, target, calls);
        operands(&mut code, target, calls);
    }
    code += "/// A system call, decoded.\n#[derive(Clone, Copy, Debug, PartialEq, Eq)]\npub enum Call {\n";
    for target in by_target.keys() {
        let _ = writeln!(code, "/// For `{target}`.\n{0}({0}),", camel(target));
    }
    code += "}\n\n/// The call of this number with these arguments; `None` if there is none.\n";
    code += "#[must_use]\npub fn decode(number: u64, a: &[u64; 6]) -> Option<Call> {\nlet _ = a;\nSome(match number {\n";
    for call in calls {
        let target = camel(&call.to);
        let _ = writeln!(code, "{} => Call::{target}({}),", call.number, decoded(call));
    }
    code += "_ => return None,\n})\n}\n\n/// The same, of those that are functions.\n";
    code += "#[must_use]\npub fn decode_direct(number: u64, a: &[u64; 6]) -> Option<Direct> {\nlet _ = a;\nSome(match number {\n";
    for call in calls.iter().filter(|call| call.to == "direct") {
        let _ = writeln!(code, "{} => {},", call.number, decoded(call));
    }
    code += "_ => return None,\n})\n}\n\n/// All declarations, by number.\npub const DECLARED: &[Declared] = &[\n";
    let mut sorted: Vec<_> = calls.iter().collect();
    sorted.sort_by_key(|call| call.number);
    for pair in sorted.windows(2) {
        assert!(pair[0].number != pair[1].number, "two calls have number {}", pair[0].number);
    }
    for call in sorted {
        let _ = writeln!(
            code,
            "Declared {{ number: {}, name: {:?}, to: {:?}, arguments: &{:?}, about: {:?} }},",
            call.number, call.name, call.to, call.arguments, call.about
        );
    }
    code += "];\n";
    code
}

/// What each call is called.
fn names(code: &mut String, target: &str, calls: &[&Call]) {
    let _ = writeln!(
        code,
        "impl {} {{\n/// Its name.\n#[must_use]\npub fn name(&self) -> &'static str {{\nmatch *self {{",
        camel(target)
    );
    for call in calls {
        let fields = if call.arguments.is_empty() { "" } else { " { .. }" };
        let _ = writeln!(code, "Self::{}{fields} => {:?},", camel(&call.name), call.name);
    }
    code.push_str("}\n}\n}\n");
}

/// The variant of a call, from its arguments.
fn decoded(call: &Call) -> String {
    let mut code = format!("{}::{}", camel(&call.to), camel(&call.name));
    let arguments: Vec<_> = call.arguments.iter().map(|text| argument(call, text)).collect();
    if !arguments.is_empty() {
        code += " { ";
        for (place, argument) in arguments.iter().enumerate() {
            let _ = write!(code, "{}: {}, ", argument.name, value(call, &arguments, place));
        }
        code += "}";
    }
    code
}

/// What the stub has to copy and to pin, in the order of the arguments.
fn operands(code: &mut String, target: &str, calls: &[&Call]) {
    let name = camel(target);
    let _ = writeln!(
        code,
        "impl {name} {{\n#[allow(clippy::match_single_binding, reason = \"some have no operands at all\")]\n/// What the stub copies and pins for the call, in the order of its arguments.\n#[must_use]\npub fn operands(&self) -> [Option<Operand>; 3] {{\nmatch *self {{"
    );
    for call in calls {
        let arguments: Vec<_> = call.arguments.iter().map(|text| argument(call, text)).collect();
        let is_operand = |argument: &&Argument| {
            matches!(argument.kind.as_str(), "path" | "in" | "out" | "inout" | "iov-in" | "iov-out")
        };
        let found: Vec<_> = arguments.iter().filter(is_operand).collect();
        assert!(found.len() <= 3, "{}: more than three operands", call.name);
        if found.is_empty() {
            continue;
        }
        let _ = write!(code, "Self::{} {{ ", camel(&call.name));
        for argument in &found {
            let _ = write!(code, "{}, ", argument.name);
        }
        code.push_str(".. } => [");
        for place in 0..3 {
            match found.get(place) {
                None => code.push_str("None, "),
                Some(argument) => {
                    let kind = kind(&Argument {
                        name: String::new(),
                        kind: argument.kind.clone(),
                        length: None,
                        optional: false,
                    });
                    let value = if argument.optional {
                        format!("{}.map(Operand::{kind})", argument.name)
                    } else {
                        format!("Some(Operand::{kind}({}))", argument.name)
                    };
                    let _ = write!(code, "{value}, ");
                }
            }
        }
        code.push_str("],\n");
    }
    code.push_str("#[allow(unreachable_patterns, reason = \"all may have operands\")]\n_ => [None; 3],\n}\n}\n}\n");
}

fn argument(call: &Call, text: &str) -> Argument {
    let (name, rest) =
        text.split_once(':').unwrap_or_else(|| panic!("{}: {text:?}: name: kind", call.name));
    let rest = rest.trim();
    let (rest, optional) = match rest.strip_suffix('?') {
        Some(rest) => (rest.trim(), true),
        None => (rest, false),
    };
    let (kind, length) = match rest.split_once(' ') {
        Some((kind, length)) => (kind, Some(length.trim().to_string())),
        None => (rest, None),
    };
    Argument { name: name.trim().into(), kind: kind.into(), length, optional }
}

fn kind(argument: &Argument) -> String {
    let plain = match argument.kind.as_str() {
        "int" => "i32",
        "uint" => "u32",
        "long" => "i64",
        "size" => "u64",
        "address" => "u64",
        "fd" => "Fd",
        "path" => "Path",
        "in" => "In",
        "out" => "Out",
        "inout" => "InOut",
        "iov-in" => "IovIn",
        "iov-out" => "IovOut",
        other => panic!("there is no kind {other:?}"),
    };
    if argument.optional { format!("Option<{plain}>") } else { plain.into() }
}

/// The expression that decodes an argument.
fn value(call: &Call, all: &[Argument], place: usize) -> String {
    let argument = &all[place];
    let raw = format!("a[{place}]");
    let span = |kind: &str| {
        let length = length(
            all,
            argument
                .length
                .as_deref()
                .unwrap_or_else(|| panic!("{}: {} has no length", call.name, argument.name)),
        );
        let length = match call.most {
            Some(most) if length.parse::<u64>().is_err() => format!("({length}).min({most})"),
            _ => length,
        };
        let made = format!("{kind}(Span::new({raw}, {length}))");
        if argument.optional {
            format!("if {raw} == 0 {{ None }} else {{ Some({made}) }}")
        } else {
            made
        }
    };
    match argument.kind.as_str() {
        "int" => format!("{raw} as i32"),
        "uint" => format!("{raw} as u32"),
        "long" => format!("{raw} as i64"),
        "fd" => format!("Fd({raw} as i32)"),
        "path" if argument.optional => {
            format!("if {raw} == 0 {{ None }} else {{ Some(Path({raw})) }}")
        }
        "path" => format!("Path({raw})"),
        "in" => span("In"),
        "out" => span("Out"),
        "inout" => span("InOut"),
        "iov-in" | "iov-out" => {
            let count = length(all, argument.length.as_deref().unwrap_or("0"));
            let kind = if argument.kind == "iov-in" { "IovIn" } else { "IovOut" };
            format!(
                "{kind}(Iov {{ address: {raw}, count: {count}, most: {} }})",
                call.most.unwrap_or(u32::MAX)
            )
        }
        _ => raw,
    }
}

/// `N`, a name, or either times `K`, or divided by it and rounded up.
fn length(all: &[Argument], text: &str) -> String {
    let factor = |text: &str| {
        let text = text.trim();
        if text.parse::<u64>().is_ok() {
            return text.to_string();
        }
        let place = all.iter().position(|argument| argument.name == text);
        let place = place.unwrap_or_else(|| panic!("there is no argument {text:?}"));
        match all[place].kind.as_str() {
            "int" | "uint" => format!("u64::from(a[{place}] as u32)"),
            _ => format!("a[{place}]"),
        }
    };
    if let Some((left, right)) = text.split_once('/') {
        return format!("{}.div_ceil({})", factor(left), factor(right));
    }
    match text.split_once('*') {
        Some((left, right)) => format!("{}.saturating_mul({})", factor(left), factor(right)),
        None => factor(text),
    }
}

/// `clock_gettime` as `ClockGettime`.
fn camel(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map_or(String::new(), |first| {
                first.to_uppercase().collect::<String>() + letters.as_str()
            })
        })
        .collect()
}
