//! `moongate man`: the manual page, printed from the catalogues of commands and options.

use std::fmt::Write as _;
use std::process::ExitCode;

use super::COMMANDS;
use crate::config::usage;

/// Prints the page.
pub(super) fn run(arguments: &[String]) -> ExitCode {
    if let Some(argument) = arguments.first() {
        eprintln!("moongate: man takes no arguments, such as {argument:?}");
        return ExitCode::from(2);
    }
    print!("{}", page());
    ExitCode::SUCCESS
}

fn page() -> String {
    let mut page = OPENING.replace("VERSION", env!("CARGO_PKG_VERSION"));
    for command in COMMANDS {
        // Written to a string, which cannot fail.
        let _ = write!(page, ".TP\n.B moongate {}", escaped(command.name));
        if !command.arguments.is_empty() {
            let _ = write!(page, " {}", escaped(command.arguments));
        }
        let _ = write!(page, "\n{}\n", escaped(command.doc));
    }
    page.push_str(".SH FLAGS\nFlags ignore case; defaults stand in parentheses.\n.nf\n");
    for line in usage().lines() {
        page.push_str(&escaped(line.trim()));
        page.push('\n');
    }
    page.push_str(END);
    page
}

const OPENING: &str = r#".TH MOONGATE 1 "" "moongate VERSION" "Moongate"
.SH NAME
moongate \- an edge router that reads Traefik\(aqs configuration
.SH SYNOPSIS
.B moongate
.RI [ command ]
.RI [ flags ]
.SH DESCRIPTION
Moongate takes requests from the network and hands them to services. Every middleware, those that
come with it included, is a Lua script.
.PP
The static configuration comes from one source: a file
.RB ( \-\-configFile ,
else moongate.* or traefik.* in the usual folders), else flags, else variables that begin with
TRAEFIK_ or MOONGATE_.
.SH COMMANDS
"#;

const END: &str = r".fi
.SH FILES
.TP
.I /etc/moongate/moongate.yaml
The configuration, where the package puts it; also looked for in /etc/traefik, $XDG_CONFIG_HOME,
$HOME/.config and the working folder.
.SH SIGNALS
.TP
.B SIGTERM, SIGINT
Stop; open requests may finish. A second one ends at once.
.TP
.B SIGUSR1
Open log files anew.
.SH EXIT STATUS
0 when all is well, 1 when something failed, 2 when it was called wrongly.
";

/// A text as the formatter takes it.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\(rs").replace('-', "\\-").replace('\'', "\\(aq");
    match text.starts_with('.') {
        true => format!("\\&{text}"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_it() {
        let page = page();
        for command in COMMANDS {
            assert!(page.contains(&format!(".B moongate {}", command.name)), "{}", command.name);
        }
        assert!(page.lines().all(|line| !line.starts_with('\'')));
        assert_eq!(escaped("a-b's \\"), "a\\-b\\(aqs \\(rs");
    }
}
