//! Certificates on demand: a handshake asks for a name, a script says whether it may have one, and
//! one order is made however many handshakes wait.
//!
//! Anybody can ask for any name, so everything here has an end: names that are remembered,
//! handshakes' questions that wait, orders within an hour. What was refused is not asked again for
//! a while. Must not know how an order is done.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_local;
use tokio::time::Instant;

use super::SolveError;
use super::resolver::Resolver;
use crate::message::LocalFuture;
use crate::tls::Demand;

/// Who says which names may have a certificate.
pub trait Allows: std::fmt::Debug + Send + Sync {
    /// Whether a resolver may order a certificate for a name.
    fn allows<'a>(
        &'a self,
        resolver: &'a str,
        name: &'a str,
    ) -> LocalFuture<'a, Result<bool, SolveError>>;
}

/// Names that are remembered, asked for or refused.
const NAMES_MAX: usize = 10_000;
/// Questions of handshakes that wait to be taken up.
const QUESTIONS_MAX: usize = 64;
/// How long a refusal holds.
const REFUSED_FOR: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// Whether a certificate has come; nothing while it is being got.
type Outcome = Option<bool>;

/// What workers ask.
#[derive(Debug)]
pub struct Demands {
    names: Arc<Mutex<Names>>,
    questions: mpsc::Sender<Question>,
    wait: Duration,
}

#[derive(Debug, Default)]
struct Names(HashMap<String, State>);

/// What is known of a name without a certificate.
#[derive(Debug)]
enum State {
    Asked(watch::Receiver<Outcome>),
    Refused { until: Instant },
}

/// A handshake's question.
#[derive(Debug)]
pub(super) struct Question {
    name: String,
    answer: watch::Sender<Outcome>,
}

/// What answers questions, on the thread that orders.
pub(super) struct Desk {
    names: Arc<Mutex<Names>>,
    questions: mpsc::Receiver<Question>,
}

/// Both ends; handshakes wait no longer than this.
pub(super) fn channel(wait: Duration) -> (Demands, Desk) {
    let (sender, questions) = mpsc::channel(QUESTIONS_MAX);
    let names = Arc::<Mutex<Names>>::default();
    let desk = Desk { names: Arc::clone(&names), questions };
    (Demands { names, questions: sender, wait }, desk)
}

impl crate::tls::Demands for Demands {
    fn ask(&self, server_name: &str) -> Option<Demand> {
        let name = host(server_name)?;
        let mut asked = self.names.lock().begin(&name, || {
            let (answer, asked) = watch::channel(None);
            // Where too many wait already, nobody begins to remember the name.
            self.questions.try_send(Question { name: name.clone(), answer }).ok().map(|()| asked)
        })?;
        let come = Box::pin(async move {
            let outcome = asked.wait_for(Option::is_some).await;
            outcome.is_ok_and(|outcome| *outcome == Some(true))
        });
        Some(Demand { wait: self.wait, come })
    }
}

impl Names {
    /// What to wait for; nothing where it would be in vain.
    fn begin(
        &mut self,
        name: &str,
        ask: impl FnOnce() -> Option<watch::Receiver<Outcome>>,
    ) -> Option<watch::Receiver<Outcome>> {
        match self.0.get(name) {
            Some(State::Asked(asked)) => return Some(asked.clone()),
            Some(State::Refused { until }) if *until > Instant::now() => return None,
            _ => {}
        }
        if self.0.len() >= NAMES_MAX {
            let now = Instant::now();
            self.0.retain(|_, state| match state {
                State::Asked(_) => true,
                State::Refused { until } => *until > now,
            });
        }
        if self.0.len() >= NAMES_MAX {
            return None;
        }
        let asked = ask()?;
        self.0.insert(name.to_owned(), State::Asked(asked.clone()));
        Some(asked)
    }

    fn end(&mut self, name: &str, refused: Option<Duration>) {
        match refused {
            None => self.0.remove(name),
            Some(pause) => {
                let until = Instant::now() + pause;
                self.0.insert(name.to_owned(), State::Refused { until })
            }
        };
    }
}

impl Desk {
    /// Answers until nobody can ask any more.
    pub(super) async fn serve(mut self, resolvers: Vec<Rc<Resolver>>, allows: Arc<dyn Allows>) {
        let resolvers: Rc<[Rc<Resolver>]> = resolvers.into();
        while let Some(Question { name, answer }) = self.questions.recv().await {
            let (resolvers, allows) = (Rc::clone(&resolvers), Arc::clone(&allows));
            let names = Arc::clone(&self.names);
            drop(spawn_local(async move {
                let refused = get(&resolvers, &*allows, &name).await.err();
                names.lock().end(&name, refused);
                answer.send_replace(Some(refused.is_none()));
            }));
        }
    }
}

/// Has the first resolver that may order a certificate; else how long the refusal holds.
async fn get(resolvers: &[Rc<Resolver>], allows: &dyn Allows, name: &str) -> Result<(), Duration> {
    let mut refused = REFUSED_FOR;
    for resolver in resolvers {
        if resolver.covers(name) {
            return Ok(());
        }
        let says = allows.allows(&resolver.parts.name, name).await;
        match says {
            Ok(true) => {}
            Ok(false) => {
                tracing::debug!(resolver = resolver.parts.name, name, "no certificate on demand");
                continue;
            }
            Err(error) => {
                let resolver = &*resolver.parts.name;
                tracing::error!(resolver, name, %error, "no certificate on demand");
                continue;
            }
        }
        match resolver.demand(name).await {
            Ok(()) => return Ok(()),
            Err(pause) => refused = refused.max(pause),
        }
    }
    Err(refused)
}

/// A name that an authority may be asked about: a host name of the DNS in lower case. Addresses and
/// single labels are none.
fn host(server_name: &str) -> Option<String> {
    let name = server_name.strip_suffix('.').unwrap_or(server_name).to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_host = name.len() <= 253
        && name.contains('.')
        && name.split('.').all(is_label)
        && name.parse::<IpAddr>().is_err();
    is_host.then_some(name)
}

/// Orders that handshakes may still begin.
#[derive(Debug, Default)]
pub(super) struct Budget(VecDeque<Instant>);

impl Budget {
    /// Takes one of `most` within an hour; else how long until there is one again.
    pub(super) fn take(&mut self, most: u32) -> Result<(), Duration> {
        let now = Instant::now();
        while self.0.front().is_some_and(|begun| now.duration_since(*begun) >= HOUR) {
            self.0.pop_front();
        }
        match self.0.front() {
            Some(first) if self.0.len() >= most as usize => {
                Err(HOUR.saturating_sub(now.duration_since(*first)))
            }
            _ => {
                self.0.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::Demands as _;

    #[test]
    fn names_are_hosts() {
        for (name, expect) in [
            ("A.Test.", Some("a.test")),
            ("a-1.b.test", Some("a-1.b.test")),
            ("localhost", None),
            ("*.test", None),
            ("a_b.test", None),
            ("-a.test", None),
            ("a..test", None),
            ("10.0.0.1", None),
            ("", None),
        ] {
            assert_eq!(host(name).as_deref(), expect, "{name}");
        }
        assert_eq!(host(&format!("{}.test", "a".repeat(64))), None);
    }

    #[tokio::test(start_paused = true)]
    async fn handshakes_share_questions_and_remember_refusals() {
        let (demands, mut desk) = channel(Duration::from_secs(1));
        let first = demands.ask("a.test").unwrap();
        let second = demands.ask("A.test.").unwrap();
        let Question { name, answer } = desk.questions.recv().await.unwrap();
        assert!(desk.questions.try_recv().is_err(), "one question");
        desk.names.lock().end(&name, Some(REFUSED_FOR));
        answer.send_replace(Some(false));
        assert!(!first.come.await && !second.come.await);
        assert!(demands.ask("a.test").is_none());
        tokio::time::advance(REFUSED_FOR).await;
        assert!(demands.ask("a.test").is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_names_is_not_remembered() {
        let (demands, desk) = channel(Duration::from_secs(1));
        let taken = (0..1000).filter(|n| demands.ask(&format!("h{n}.test")).is_some()).count();
        assert_eq!(taken, QUESTIONS_MAX);
        assert_eq!(desk.names.lock().0.len(), QUESTIONS_MAX);
        let mut names = Names::default();
        for number in 0..NAMES_MAX {
            names.end(&number.to_string(), Some(REFUSED_FOR));
        }
        let (_answer, asked) = watch::channel(None);
        assert!(names.begin("more", || Some(asked.clone())).is_none());
        tokio::time::advance(REFUSED_FOR).await;
        assert!(names.begin("more", || Some(asked.clone())).is_some());
        assert_eq!(names.0.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn orders_are_counted_by_the_hour() {
        let mut budget = Budget::default();
        assert_eq!(budget.take(2), Ok(()));
        tokio::time::advance(HOUR / 2).await;
        assert_eq!(budget.take(2), Ok(()));
        assert_eq!(budget.take(2), Err(HOUR / 2));
        tokio::time::advance(HOUR / 2).await;
        assert_eq!(budget.take(2), Ok(()));
    }
}
