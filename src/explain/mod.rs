//! Why a request goes where it goes: the decision of every part, told without serving anything.
//!
//! The parts decide with the code that serves requests; this module asks them, and asks about the
//! others that might have been chosen. It sends nothing and moves no order on. Scripts of rules are
//! run in a VM of its own; middlewares are named, and not run. Must not know how an explanation is
//! asked for.

mod answer;
mod question;
mod routing;
mod rules;
mod scripts;
mod services;
mod text;
mod tls;

use std::sync::Arc;

use crate::config::{EntryPointPlan, Transport};
use crate::lua::{InstanceId, InstanceSpec};
use crate::message::Request;
use crate::snapshot::{Route, Snapshot, Target};

pub use answer::{
    Condition, Decision, Door, Explanation, Judged, Outcome, Reason, Said, ServiceStep, Step,
    Taken, TlsChoice, Way,
};
pub use question::{Question, QuestionError};

use question::Asked;

/// What decisions are made of.
#[derive(Debug, Clone, Copy)]
pub struct World<'a> {
    /// What is served.
    pub snapshot: &'a Snapshot,
    /// The entrypoints, in the order the snapshot knows them.
    pub entrypoints: &'a [EntryPointPlan],
}

impl World<'_> {
    /// Explains what becomes of a request.
    ///
    /// # Errors
    /// When the question is no request.
    pub fn explain(&self, question: &Question) -> Result<Explanation, QuestionError> {
        let mut asked = Asked::read(question)?;
        let mut said = Explanation::begin(question, &asked);
        let Some((place, plan, why)) = self.door(question, &asked)? else {
            said.outcome = Outcome::NoEntryPoint;
            "There is no entrypoint for TCP connections.".clone_into(&mut said.summary);
            return Ok(said);
        };
        let address = plan.options.address.clone();
        said.entry_point = Some(Door { name: plan.name.clone(), address, why });
        if asked.enter(plan, &mut said).is_none() || self.connection(place, &asked, &mut said) {
            return Ok(said);
        }
        let request = asked.request(plan);
        self.request(place, &asked, &request, &mut said);
        Ok(said)
    }

    /// The entrypoint that a request comes to, and why.
    fn door(
        &self,
        question: &Question,
        asked: &Asked,
    ) -> Result<Option<(usize, &EntryPointPlan, String)>, QuestionError> {
        let all = || self.entrypoints.iter().enumerate();
        let mut doors = all().filter(|(_, plan)| plan.address.transport == Transport::Tcp);
        if let Some(name) = &question.entry_point {
            let found = doors.find(|(_, plan)| plan.name == *name);
            let unknown = || QuestionError::EntryPoint { name: name.clone() };
            let (place, plan) = found.ok_or_else(unknown)?;
            return Ok(Some((place, plan, "it is the one that was asked for".to_owned())));
        }
        let port = asked.port;
        if let Some((place, plan)) = doors.clone().find(|(_, plan)| plan.address.port == port) {
            return Ok(Some((place, plan, format!("it listens on port {port}"))));
        }
        let serves = |(place, plan): &(usize, &EntryPointPlan)| {
            let tables = self.snapshot.entrypoints.get(*place);
            let table = tables.map(|t| if asked.is_tls { &t.encrypted } else { &t.plain });
            plan.is_default && table.is_some_and(|table| !table.is_empty())
        };
        let connections = if asked.is_tls { "encrypted" } else { "plain" };
        // Behind a port mapping, what entrypoints look like is the best guess.
        let fits = |door: &(usize, &EntryPointPlan)| {
            let options = &door.1.options;
            let looks_encrypted = options.http.tls.is_some() || door.1.address.port % 1000 == 443;
            serves(door) && looks_encrypted == asked.is_tls
        };
        let first = doors.clone().find(fits).or_else(|| doors.clone().find(serves));
        let first = first.or_else(|| doors.next());
        Ok(first.map(|(place, plan)| {
            let why = format!(
                "none listens on port {port}; it looks most like one for {connections} connections"
            );
            (place, plan, why)
        }))
    }

    /// Explains what becomes of the connection; whether no request will be seen on it.
    fn connection(&self, place: usize, asked: &Asked, said: &mut Explanation) -> bool {
        if let Some((router, service)) = tls::stream(self.snapshot, place, asked) {
            said.outcome = Outcome::Tcp;
            said.summary = format!("The TCP router {router} takes the connection.");
            let rule = self.snapshot.outcome.tcp.routers.get(&*router);
            let rule = rule.and_then(|router| router.config.fields().remove("rule"));
            let rule = rule.and_then(|rule| rule.as_str().map(str::to_owned)).unwrap_or_default();
            let taken = Taken { name: router.to_string(), rule, priority: None, condition: None };
            said.decisions.push(Decision { taken: Some(taken), others: Vec::new(), count: 1 });
            said.service = Some(ServiceStep::named(&service, "tcp"));
            return true;
        }
        if !asked.is_tls {
            return false;
        }
        match tls::choice(self.snapshot, place, asked) {
            Ok(choice) => said.tls = Some(choice),
            Err(reason) => {
                said.outcome = Outcome::HandshakeFails;
                said.summary = format!("The TLS handshake fails: {reason}.");
                return true;
            }
        }
        false
    }

    /// Explains what becomes of the request.
    fn request(&self, place: usize, asked: &Asked, request: &Request, said: &mut Explanation) {
        let scripts = scripts::Scripts::new(self.snapshot, request);
        let routing = routing::Routing { world: *self, place, asked, request, scripts: &scripts };
        let Some(mut route) = routing.first(said) else {
            said.outcome = Outcome::NoRouter;
            said.status = Some(404);
            said.summary = format!("No router of {} takes the request: 404.", routing.door());
            return;
        };
        loop {
            self.steps(&route.steps, "router", said);
            if let Some(words) = misdirected(said, &route) {
                said.outcome = Outcome::Misdirected;
                said.status = Some(421);
                said.summary = words;
                return;
            }
            match &route.target {
                Target::Service(service) => {
                    let end = services::Services { world: *self, request };
                    end.explain(service, said);
                    conclude(said, &route.name);
                    return;
                }
                Target::Refused => {
                    said.outcome = Outcome::Refused;
                    said.status = Some(503);
                    said.summary =
                        format!("The router {} is disabled and answers with 503.", route.name);
                    return;
                }
                Target::Children(children) => {
                    if !route.steps.is_empty() {
                        said.notes.push(format!(
                            "the children of {} see the request as its middlewares leave it; here \
                             it is taken as it came",
                            route.name
                        ));
                    }
                    match routing.among(children, said) {
                        Some(child) => route = child,
                        None => {
                            said.outcome = Outcome::NoRouter;
                            said.status = Some(404);
                            said.summary = format!(
                                "No child of the router {} takes the request: 404.",
                                route.name
                            );
                            return;
                        }
                    }
                }
            }
        }
    }

    /// Notes the middlewares of a chain.
    fn steps(&self, steps: &[InstanceId], of: &str, said: &mut Explanation) {
        for id in steps {
            if let Some(spec) = self.instance(*id) {
                said.middlewares.push(Step {
                    name: spec.name.to_string(),
                    script: spec.source.name.to_string(),
                    of: of.to_owned(),
                });
            }
        }
    }

    fn instance(&self, id: InstanceId) -> Option<&Arc<InstanceSpec>> {
        self.snapshot.instances.iter().find(|spec| spec.id == id)
    }
}

/// Why a router's TLS options keep its request away, if they do.
fn misdirected(said: &Explanation, route: &Route) -> Option<String> {
    let (used, wanted) = (&said.tls.as_ref()?.options, route.tls.as_ref()?);
    (*used != **wanted).then(|| {
        format!(
            "The handshake was under the TLS options {used}, and the router {} wants {wanted}: \
             421.",
            route.name
        )
    })
}

/// Ends an explanation whose request has reached a service.
fn conclude(said: &mut Explanation, router: &str) {
    let Some(service) = &said.service else { return };
    if !service.is_up {
        said.outcome = Outcome::NoServer;
        said.status = Some(503);
        said.summary = format!(
            "The router {router} takes the request, and its service {} has no server that is up: \
             503.",
            service.name
        );
        return;
    }
    said.outcome = Outcome::Served;
    let end = service.certain_end();
    let to = if end == service.name { String::new() } else { format!(", and there {end}") };
    said.summary =
        format!("The router {router} takes the request to the service {}{to}.", service.name);
}
