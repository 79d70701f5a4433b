//! The file provider with real files.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::provider::{Receiver, channel};

fn provider(place: Place) -> FileProvider {
    let check = |_: &Dynamic| Vec::new();
    let pace = Pace {
        look_every: Duration::from_millis(200),
        step: Duration::from_millis(5),
        settle: Duration::from_millis(20),
        doubt: Duration::from_millis(80),
    };
    let config = config::FileProvider::default();
    FileProvider { place, pace, ..FileProvider::new(&config, Arc::new(check)) }
}

fn parse(name: &str, bytes: &[u8]) -> Result<Dynamic, FileError> {
    let path = PathBuf::from(name);
    parse::parse(&Place::File(path.clone()), &path, bytes, Made::Silent)
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        write(&folder, name, text);
    }
    folder
}

fn write(folder: &TempDir, name: &str, text: &str) {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn rename(folder: &TempDir, name: &str, text: &str) {
    write(folder, "new.tmp", text);
    fs::rename(folder.path().join("new.tmp"), folder.path().join(name)).unwrap();
}

fn router(name: &str, rule: &str) -> String {
    format!("http: {{routers: {{{name}: {{rule: {rule}, service: s}}}}}}\n")
}

/// Routers as `name=rule`, or what is wrong, each with the folder's name taken out.
fn say(message: &Message, folder: &TempDir) -> Vec<String> {
    let path = folder.path().display().to_string();
    let short = |text: String| text.replace(&format!("{path}/"), "").replace(&path, "DIR");
    match message {
        Message::Update(update) => {
            let routers = update.dynamic.http.routers.iter();
            let routers = routers.map(|(name, router)| format!("{name}={}", router.rule));
            let findings = update.diagnostics.iter().map(ToString::to_string);
            routers.chain(findings).map(short).collect()
        }
        Message::Rejected { diagnostics, .. } => {
            diagnostics.iter().map(|finding| short(format!("rejected {finding}"))).collect()
        }
    }
}

fn check(files: &[(&str, &str)], expect: &[&str]) {
    let folder = folder(files);
    let mut provider = provider(Place::Folder(folder.path().to_owned()));
    assert_eq!(say(&provider.load(), &folder), expect, "{files:?}");
}

#[test]
fn a_folder_is_read_in_order() {
    check(&[], &[]);
    check(&[("a.yaml", ""), ("b.toml", "# nothing")], &[]);
    let (a, b) = (router("a", "A"), router("b", "B"));
    let toml = "[http.routers.t]\nrule = \"T\"\nservice = \"s\"\n";
    check(&[("a.yml", &a), ("s/b.YAML", &b), ("t.toml", toml)], &["a=A", "b=B", "t=T"]);
    check(&[("a.txt", &a), ("a.json", &a), ("..data/a.yml", &a), (".#a.yml", &a)], &[]);
    check(
        &[("1/z.yaml", &router("a", "first")), ("2.yaml", &router("a", "second"))],
        &["a=first", "2.yaml: http.routers.a: passed over: 1/z.yaml defines it already"],
    );
}

#[test]
fn broken_files_are_named_with_the_place() {
    let good = router("a", "A");
    check(
        &[("a.yaml", &good), ("b.yaml", "a: 1\nb: [broken"), ("c.toml", "x = \n")],
        &[
            "rejected b.yaml: line 3, column 1: did not find expected ',' or ']'",
            "rejected c.toml: line 1, column 5: string values must be quoted, \
             expected literal string",
            "rejected DIR: providers.file: files without errors that wait for the others: 1",
        ],
    );
    check(
        &[("a.yaml", "http: {routers: {r: {ruel: x}}}")],
        &["rejected a.yaml: http.routers.r.ruel: unknown option, did you mean \"rule\"?"],
    );
    check(
        &[("a.yaml", "http: {routers: {r: {priority: high}}}")],
        &["rejected a.yaml: http.routers.r.priority: expected a whole number, got \"high\""],
    );
    check(&[("a.yaml", "- x")], &["rejected a.yaml: document: expected a section, got a list"]);
}

#[test]
fn templates_are_rendered() {
    let yaml = "http:\n  routers:{{ range $i, $r := list `A` `B` }}\n    \
                r{{ $i }}: {rule: {{ $r }}, service: s}{{ end }}\n";
    let toml = "{{/* none */}}[http.routers.{{ upper `t` }}]\nrule = {{ quote `x` }}\n\
                service = \"s\"\n";
    check(&[("a.yaml", yaml), ("b.toml", toml)], &["T=x", "r0=A", "r1=B"]);
    check(
        &[("a.yaml", "# an action in a comment\n# {{ nothing }}\n")],
        &["rejected a.yaml: line 2: template: there is no function \"nothing\""],
    );
    check(
        &[("a.yaml", "{{ \"\\n\\na: [\" }}\n")],
        &["rejected a.yaml: line 4, column 1 of what the template makes: did not find expected \
           node content"],
    );
}

#[test]
fn a_bad_template_keeps_what_was_there() {
    let folder = folder(&[("a.yaml", &router("a", "{{ \"A\" }}"))]);
    let mut provider = provider(Place::Folder(folder.path().to_owned()));
    assert_eq!(say(&provider.load(), &folder), ["a=A"]);
    rename(&folder, "a.yaml", "{{ if }}\n");
    let rejected = "rejected a.yaml: line 1: template: expected a value, found `}}`";
    assert_eq!(say(&provider.load(), &folder), [rejected]);
    assert_eq!(provider.last.http.routers.len(), 1);
}

#[test]
fn a_script_returns_the_configuration() {
    let text = "local routers = {}\nfor _, n in ipairs({'a', 'b'}) do\n  \
                routers[n] = { rule = n:upper(), service = 's' }\nend\n\
                return { http = { routers = routers } }\n";
    let folder = folder(&[("routes.lua", text)]);
    let mut provider = provider(Place::Script(folder.path().join("routes.lua")));
    let message = provider.load();
    assert_eq!(&**message.provider(), "script");
    assert_eq!(say(&message, &folder), ["a=A", "b=B"]);
    for (text, expect) in [
        ("\nerror('no')\n", "providers.script: routes.lua:2: no"),
        (
            "return { http = { rooters = {} } }\n",
            "http.rooters: unknown option, did you mean \"routers\"?",
        ),
    ] {
        rename(&folder, "routes.lua", text);
        let told = say(&provider.load(), &folder);
        assert_eq!(told, [format!("rejected routes.lua: {expect}")]);
        assert_eq!(provider.last.http.routers.len(), 2);
    }
}

#[test]
fn the_check_rejects_a_file_or_warns() {
    let folder = folder(&[("a.yaml", &router("a", "A")), ("b.yaml", &router("b", "B"))]);
    let mut provider = provider(Place::Folder(folder.path().to_owned()));
    provider.check = Arc::new(|dynamic| {
        let names = dynamic.http.routers.keys();
        let judge = |name: &String| match name.as_str() {
            "b" => Diagnostic::error("http.routers.b", "bad"),
            _ => Diagnostic::warning("http.routers.a", "odd"),
        };
        names.map(judge).collect()
    });
    let waits = "rejected DIR: providers.file: files without errors that wait for the others: 1";
    assert_eq!(say(&provider.load(), &folder), ["rejected b.yaml: http.routers.b: bad", waits]);
    fs::remove_file(folder.path().join("b.yaml")).unwrap();
    assert_eq!(say(&provider.load(), &folder), ["a=A", "a.yaml: http.routers.a: odd"]);
}

#[test]
fn a_single_file_has_three_languages() {
    let single = |name: &str, text: &str| {
        let folder = folder(&[(name, text)]);
        let mut provider = provider(Place::File(folder.path().join(name)));
        say(&provider.load(), &folder)
    };
    assert_eq!(single("a.json", r#"{"http": {"routers": {"a": {"rule": "A"}}}}"#), ["a=A"]);
    assert_eq!(single("a.yaml", &format!("\u{feff}{}", router("a", "A"))), ["a=A"]);
    let expect = "providers.file.filename: its name must end in .yaml, .yml, .toml or .json";
    assert_eq!(single("a.txt", ""), [format!("rejected a.txt: {expect}")]);
    let folder = folder(&[("a.yaml/b.yaml", "")]);
    let message = provider(Place::File(folder.path().join("a.yaml"))).load();
    let expect = "rejected a.yaml: providers.file: is not a regular file";
    assert_eq!(say(&message, &folder), [expect]);
}

#[test]
fn unchanged_elements_stay_the_same_allocation() {
    let two = |rule: &str| format!("http: {{routers: {{a: {{rule: A}}, b: {{rule: {rule}}}}}}}\n");
    let folder = folder(&[("a.yaml", &two("B"))]);
    let mut provider = provider(Place::File(folder.path().join("a.yaml")));
    let mut load = || match provider.load() {
        Message::Update(update) => update.dynamic,
        Message::Rejected { diagnostics, .. } => panic!("{diagnostics:?}"),
    };
    let first = load();
    assert!(Arc::ptr_eq(&first, &load()));
    write(&folder, "a.yaml", &format!("# only a comment\n{}", two("B")));
    assert!(Arc::ptr_eq(&first, &load()));
    write(&folder, "a.yaml", &two("C"));
    let second = load();
    let same = |name: &str| Arc::ptr_eq(&first.http.routers[name], &second.http.routers[name]);
    assert!(same("a"));
    assert!(!same("b"));
}

proptest! {
    #[test]
    fn random_text_never_panics(text in "\\PC{0,80}", pick in 0..4usize) {
        let name = ["a.yaml", "a.toml", "a.json", "a.txt"][pick];
        let _ = parse(name, text.as_bytes());
    }

    #[test]
    fn broken_bytes_never_panic(
        cut in 0..200usize,
        at in 0..200usize,
        byte in any::<u8>(),
        pick in 0..3usize,
    ) {
        let texts = [
            ("a.yaml", "http:\n  routers:\n    a: {rule: \"Host(`a`)\", priority: 3, tls: {}}\n"),
            ("a.toml", "[http.routers.a]\nrule = \"Host(`a`)\"\n[[tls.certificates]]\n"),
            ("a.json", "{\"http\": {\"routers\": {\"a\": {\"rule\": \"Host(`a`)\"}}}}"),
        ];
        let (name, text) = texts[pick];
        let mut bytes = text.as_bytes()[..cut.min(text.len())].to_vec();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        let _ = parse(name, &bytes);
    }
}

/// A provider that follows `place`, and what it says.
struct Following {
    folder: TempDir,
    messages: Receiver,
    stop: tokio::sync::watch::Sender<bool>,
    runtime: tokio::runtime::Runtime,
    task: tokio::task::JoinHandle<()>,
    said: Vec<String>,
}

impl Following {
    fn start(folder: TempDir, place: impl FnOnce(&std::path::Path) -> Place) -> Self {
        let provider = provider(place(folder.path()));
        Self::run(folder, provider)
    }

    fn run(folder: TempDir, provider: FileProvider) -> Self {
        let (sender, messages) = channel();
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let task = runtime.handle().spawn(provider.run(sender, stopped));
        Self { folder, messages, stop, runtime, task, said: Vec::new() }
    }

    /// Waits until the newest message says `expect`.
    fn expect(&mut self, expect: &str) {
        let ends = Instant::now() + Duration::from_secs(10);
        while self.said.last().is_none_or(|said| !said.contains(expect)) {
            assert!(Instant::now() < ends, "no {expect:?} in {:?}", self.said);
            self.listen(Duration::from_millis(20));
        }
    }

    /// Takes the next message if it comes within `wait`.
    fn listen(&mut self, wait: Duration) {
        let next = async { tokio::time::timeout(wait, self.messages.recv()).await };
        if let Ok(message) = self.runtime.block_on(next) {
            let message = message.expect("the provider has ended");
            self.said.push(format!("[{}]", say(&message, &self.folder).join(", ")));
        }
    }

    /// Ends the provider; all that it said.
    fn end(mut self) -> Vec<String> {
        self.stop.send(true).unwrap();
        let task = async { tokio::time::timeout(Duration::from_secs(10), &mut self.task).await };
        self.runtime.block_on(task).unwrap().unwrap();
        while let Some(message) = self.messages.try_recv() {
            self.said.push(format!("[{}]", say(&message, &self.folder).join(", ")));
        }
        self.said
    }
}

#[test]
fn a_file_is_followed_through_writing_renaming_and_breaking() {
    let start = folder(&[("d.yaml", &router("a", "A"))]);
    let mut file = Following::start(start, |folder| Place::File(folder.join("d.yaml")));
    file.expect("[a=A]");
    write(&file.folder, "d.yaml", &router("b", "B"));
    file.expect("[b=B]");
    rename(&file.folder, "d.yaml", &router("c", "C"));
    file.expect("[c=C]");
    rename(&file.folder, "d.yaml", "http: [broken");
    file.expect("[rejected d.yaml: line 2");
    fs::remove_file(file.folder.path().join("d.yaml")).unwrap();
    file.expect("[rejected d.yaml: providers.file: cannot be read");
    write(&file.folder, "d.yaml", "# nothing\n");
    file.expect("[]");
    write(&file.folder, "d.yaml", &router("e", "E"));
    file.expect("[e=E]");
    file.end();
}

#[test]
fn a_half_written_file_is_not_applied() {
    let start = folder(&[("d.yaml", &router("a", "A"))]);
    let mut provider = provider(Place::File(start.path().join("d.yaml")));
    // Longer than a busy machine keeps the writer from its next part.
    provider.pace.doubt = Duration::from_secs(5);
    let mut file = Following::run(start, provider);
    file.expect("[a=A]");
    for round in 0..10 {
        let text = router("a", &format!("A{round}"));
        let text = format!("# begins\n{text}");
        for end in [0, 9, 15, text.len() - 1, text.len()] {
            write(&file.folder, "d.yaml", &text[..end]);
            file.listen(Duration::from_millis(7));
        }
        file.expect(&format!("[a=A{round}]"));
    }
    let said = file.end();
    assert_eq!(said.len(), 11, "{said:?}");
}

#[test]
fn a_folder_is_followed_as_files_come_and_go() {
    let start = folder(&[("c/a.yaml", &router("a", "A"))]);
    let mut file = Following::start(start, |folder| Place::Folder(folder.join("c")));
    file.expect("[a=A]");
    write(&file.folder, "c/sub/b.yaml", &router("b", "B"));
    file.expect("[a=A, b=B]");
    write(&file.folder, "c/sub/b.yaml", &router("b", "C"));
    file.expect("[a=A, b=C]");
    fs::remove_dir_all(file.folder.path().join("c/sub")).unwrap();
    file.expect("[a=A]");
    fs::remove_dir_all(file.folder.path().join("c")).unwrap();
    file.expect("cannot be read");
    write(&file.folder, "c/n.yaml", &router("n", "N"));
    file.expect("[n=N]");
    file.end();
}

#[test]
fn a_config_map_is_followed_through_its_links() {
    let start = folder(&[("..1/d.yaml", &router("a", "A")), ("..2/d.yaml", &router("b", "B"))]);
    let link = |to: &str, name: &str| symlink(to, start.path().join(name)).unwrap();
    link("..1", "..data");
    link("..data/d.yaml", "d.yaml");
    link("..2", "..new");
    let mut file = Following::start(start, |folder| Place::Folder(folder.to_owned()));
    file.expect("[a=A]");
    let path = |name: &str| file.folder.path().join(name);
    fs::rename(path("..new"), path("..data")).unwrap();
    fs::remove_dir_all(path("..1")).unwrap();
    file.expect("[b=B]");
    file.end();
}

#[test]
fn a_file_may_be_missing_at_first() {
    let mut file = Following::start(folder(&[]), |folder| Place::File(folder.join("c/d.yaml")));
    file.expect("[rejected c/d.yaml: providers.file: cannot be read: No such file");
    write(&file.folder, "c/d.yaml", &router("a", "A"));
    file.expect("[a=A]");
    file.end();
}

#[test]
fn a_changed_certificate_is_a_change() {
    let text = |path: &str| {
        format!(
            "tls: {{certificates: [{{certFile: {path}, keyFile: {path}}}]}}\n{}",
            router("a", "A")
        )
    };
    let start = folder(&[("pem", "one")]);
    write(&start, "d.yaml", &text(&start.path().join("pem").display().to_string()));
    let mut file = Following::start(start, |folder| Place::File(folder.join("d.yaml")));
    file.expect("[a=A]");
    file.said.clear();
    rename(&file.folder, "pem", "other");
    file.expect("[a=A]");
    let said = file.end();
    assert_eq!(said.len(), 1, "{said:?}");
}

#[test]
fn old_files_are_known_by_their_stamps() {
    let folder = folder(&[("a.yaml", &router("a", "A")), ("b.yaml", &router("b", "B"))]);
    let age = |name: &str| {
        let file = fs::File::options().write(true).open(folder.path().join(name)).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_mins(1)).unwrap();
    };
    let read_bytes = |provider: &FileProvider| -> Vec<usize> {
        let content = read(&provider.place, &provider.files);
        content.files.iter().map(|file| file.bytes.len()).collect()
    };
    let mut provider = provider(Place::Folder(folder.path().to_owned()));
    age("a.yaml");
    provider.load();
    let b = router("b", "B").len();
    // The young one could have changed again without a new time.
    assert_eq!(read_bytes(&provider), [0, b]);
    write(&folder, "a.yaml", &router("a", "C"));
    age("a.yaml");
    age("b.yaml");
    assert_eq!(say(&provider.load(), &folder), ["a=C", "b=B"]);
    assert_eq!(read_bytes(&provider), [0, 0]);
}
