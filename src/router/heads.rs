//! Rules that share conditions on host and path, by method and header where there are many.

use hashbrown::HashMap;
use http::{HeaderName, Method};

use super::search::{FEW, Item, Line, Search, grouped, least};
use crate::rule::HeadKey;

/// Rules by method and header.
#[derive(Debug)]
pub(super) enum Heads {
    /// Few enough to be tried one by one.
    Few(Line),
    /// Indexed.
    Many(Box<Indexed>),
}

#[derive(Debug)]
pub(super) struct Indexed {
    methods: HashMap<Method, Line>,
    headers: HashMap<HeaderName, HashMap<Box<[u8]>, Line>>,
    rest: Line,
    /// No rule's rank is below this.
    least: u32,
}

impl Heads {
    /// Items come in their order.
    pub(super) fn new(items: &[Item<'_>]) -> Self {
        let any = |item: &&Item<'_>| item.key.head == HeadKey::Any;
        if items.len() <= FEW || items.iter().all(|item| any(&item)) {
            return Self::Few(Line::new(items, |key| key.head == HeadKey::Any));
        }
        let methods = grouped(items, |key| match &key.head {
            HeadKey::Method(method) => Some(method.clone()),
            _ => None,
        });
        let headers = grouped(items, |key| match &key.head {
            HeadKey::Header(header) => Some(&header.0),
            _ => None,
        });
        let values = |items: Vec<Item<'_>>| {
            let values = grouped(&items, |key| match &key.head {
                HeadKey::Header(header) => Some(&header.1),
                _ => None,
            });
            values.into_iter().map(|(value, items)| (value.clone(), whole(&items))).collect()
        };
        let rest: Vec<_> = items.iter().filter(any).copied().collect();
        Self::Many(Box::new(Indexed {
            methods: methods.into_iter().map(|(key, items)| (key, whole(&items))).collect(),
            headers: headers.into_iter().map(|(key, items)| (key.clone(), values(items))).collect(),
            rest: whole(&rest),
            least: least(items),
        }))
    }

    pub(super) fn find<T>(&self, search: &mut Search<'_, '_, T>) {
        match self {
            Self::Few(line) => search.line(line),
            Self::Many(indexed) if indexed.least < search.best => indexed.find(search),
            Self::Many(_) => {}
        }
    }
}

impl Indexed {
    fn find<T>(&self, search: &mut Search<'_, '_, T>) {
        if let Some(line) = self.methods.get(search.facts.method) {
            search.line(line);
        }
        let headers = search.facts.headers;
        // The cost is that of the fewer: names that rules ask for, or headers that are sent.
        if self.headers.len() <= headers.len() {
            for (name, values) in &self.headers {
                for value in headers.get_all(name) {
                    if let Some(line) = values.get(value.as_bytes()) {
                        search.line(line);
                    }
                }
            }
        } else {
            for (name, value) in headers {
                if let Some(line) = self.headers.get(name).and_then(|v| v.get(value.as_bytes())) {
                    search.line(line);
                }
            }
        }
        search.line(&self.rest);
    }
}

fn whole(items: &[Item<'_>]) -> Line {
    Line::new(items, |_| true)
}
