//! An explanation as text for people.

use std::fmt;

use super::answer::{Condition, Decision, Explanation, Judged, ServiceStep, Taken, Way};

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = &self.request;
        writeln!(f, "{} {}", request.method, request.url)?;
        writeln!(f, "{}\n", self.summary)?;
        if let Some(door) = &self.entry_point {
            writeln!(f, "entrypoint  {} ({}): {}", door.name, door.address, door.why)?;
        }
        if let Some(tls) = &self.tls {
            let name = tls.server_name.as_deref().unwrap_or("none");
            let names = tls.certificate.join(", ");
            writeln!(f, "tls         server name {name}, options {}", tls.options)?;
            writeln!(f, "            certificate {names}: {}", tls.why)?;
            if let Some(script) = &tls.script {
                writeln!(f, "            unless the script {script} decides otherwise")?;
            }
        }
        for decision in &self.decisions {
            decision.fmt(f)?;
        }
        for (place, step) in self.middlewares.iter().enumerate() {
            let title = if place == 0 { "middlewares" } else { "" };
            let of = if step.of == "service" { ", of the service" } else { "" };
            writeln!(f, "{title:<11} {}. {} ({}{of})", place + 1, step.name, step.script)?;
        }
        if let Some(service) = &self.service {
            write!(f, "service     ")?;
            service.print(f, 1)?;
        }
        for note in &self.notes {
            writeln!(f, "note        {note}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.taken {
            Some(taken) => {
                write!(f, "router      {}", taken.name)?;
                taken.print(f)?;
            }
            None => writeln!(f, "router      none of {}", self.count)?,
        }
        for (place, Judged { router, why, .. }) in self.others.iter().enumerate() {
            let title = if place == 0 { "not" } else { "" };
            writeln!(f, "{title:<11} {}: {why}", router.name)?;
            if let Some(condition) = &router.condition {
                writeln!(f, "            {condition}")?;
            }
        }
        Ok(())
    }
}

impl Taken {
    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.priority {
            Some(priority) => writeln!(f, ", priority {priority}")?,
            None => writeln!(f)?,
        }
        match &self.condition {
            Some(condition) => writeln!(f, "            {condition}"),
            None => writeln!(f, "            {}", self.rule),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |f: &mut fmt::Formatter<'_>, with: &str| {
            for (place, part) in self.parts.iter().enumerate() {
                if place > 0 {
                    write!(f, " {with} ")?;
                }
                match part.way {
                    Way::And | Way::Or => write!(f, "({part})")?,
                    Way::Not | Way::Call => part.fmt(f)?,
                }
            }
            Ok(())
        };
        match self.way {
            Way::Call => write!(f, "{} {}", if self.is_met { '✓' } else { '✗' }, self.text),
            Way::Not => {
                write!(f, "!(")?;
                join(f, "")?;
                write!(f, ")")
            }
            Way::And => join(f, "&&"),
            Way::Or => join(f, "||"),
        }
    }
}

impl ServiceStep {
    fn print(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let mark = match (self.is_certain, self.is_up) {
            (_, false) => '✗',
            (true, _) => '→',
            (false, _) => '·',
        };
        write!(f, "{mark} {}", self.name)?;
        if self.kind != "server" {
            write!(f, " ({})", self.kind)?;
        }
        if let Some(cookie) = &self.cookie {
            write!(f, ", sticky by the cookie {cookie}")?;
        }
        if !self.why.is_empty() {
            write!(f, ": {}", self.why)?;
        }
        writeln!(f)?;
        for member in &self.members {
            write!(f, "{:width$}", "", width = 12 + 2 * depth)?;
            member.print(f, depth + 1)?;
        }
        Ok(())
    }
}
