//! The functions of templates as a page of the reference.

use std::fmt::Write as _;

use super::functions::{AREAS, REFUSED};

/// The page in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = PREFACE.to_owned();
    for area in AREAS {
        // Written to a string, which cannot fail.
        let _ = write!(page, "\n## {}\n\n| function | result |\n| --- | --- |\n", area.name);
        for function in area.functions {
            let call = format!("{} {}", function.name, function.arguments);
            let _ = writeln!(page, "| `{}` | {} |", call.trim(), function.doc);
        }
    }
    page.push_str(REFUSALS);
    for (name, reason) in REFUSED {
        let _ = writeln!(page, "| `{name}` | {reason} |");
    }
    page
}

const PREFACE: &str = "\
# Templates

Every file of the file provider is a template in the language of Go's `text/template`, as in
Traefik. It is rendered when it is read; what comes out is the YAML, TOML or JSON. Text without
`{{` is itself.

```
{{ $hosts := list \"one\" \"two\" }}
http:
  routers:
{{- range $i, $host := $hosts }}
    r{{ $i }}:
      rule: \"Host(`{{ $host }}.{{ env \"DOMAIN\" | default \"localhost\" }}`)\"
      service: s
{{- end }}
```

Actions: `{{ value }}`, `{{ $x := value }}` and `{{ $x = value }}`, `if`, `else if`, `else`, `with`,
`range` (with `break` and `continue`), `define`, `template`, `block`, `end`, and comments
`{{/* ... */}}`. `{{-` and `-}}` take the spaces beside them away. As in Traefik, an action in a
comment of YAML is an action, and `.` is `false`.

A file whose template fails is refused with the line, and what was served before stays. A template
makes at most 64 MiB and runs at most 20,000,000 steps. `providers.file.debugLogGeneratedTemplate`
writes what comes out into the log.
";

const REFUSALS: &str = "
## Not supported

These of sprig are refused by name.

| function | why |
| --- | --- |
";
