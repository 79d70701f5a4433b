//! What is known of all objects of one kind.
//!
//! Readers take the whole as it is at one time; writers replace single objects, or all of a scope
//! after a list. Must not know kinds, nor who watches.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::names::{Group, Id};

/// All objects of a kind at one time.
pub(super) type Objects<T> = Arc<BTreeMap<Id, Arc<T>>>;

/// Objects that a list or a watch tells of: those of one group, in one namespace or in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) group: Group,
    pub(super) namespace: Option<String>,
}

impl Scope {
    fn holds(&self, id: &Id) -> bool {
        id.group == self.group
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == id.namespace)
    }
}

/// What is known of all objects of one kind.
#[derive(Debug)]
pub(super) struct Store<T> {
    objects: Mutex<Objects<T>>,
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        Self { objects: Mutex::default() }
    }
}

impl<T: PartialEq> Store<T> {
    /// All objects as they are now.
    pub(super) fn all(&self) -> Objects<T> {
        Arc::clone(&self.objects.lock())
    }

    /// Puts an object in; whether that changed anything.
    pub(super) fn put(&self, id: Id, object: T) -> bool {
        let mut objects = self.objects.lock();
        if objects.get(&id).is_some_and(|before| **before == object) {
            return false;
        }
        // A reader keeps what it has taken: then this copies the pointers, not the objects.
        Arc::make_mut(&mut objects).insert(id, Arc::new(object));
        true
    }

    /// Takes an object out; whether it was there.
    pub(super) fn remove(&self, id: &Id) -> bool {
        let mut objects = self.objects.lock();
        objects.contains_key(id) && Arc::make_mut(&mut objects).remove(id).is_some()
    }

    /// Puts the objects of a list in the place of all of its scope; whether that changed anything.
    /// Those that are equal stay the same allocations.
    pub(super) fn replace(&self, scope: &Scope, listed: BTreeMap<Id, T>) -> bool {
        let mut objects = self.objects.lock();
        let mut next: BTreeMap<Id, Arc<T>> =
            objects.iter().filter(|(id, _)| !scope.holds(id)).map(clone).collect();
        let mut is_changed = next.len() + listed.len() != objects.len();
        for (id, object) in listed {
            let known = objects.get(&id).filter(|before| ***before == object);
            is_changed |= known.is_none();
            let object = known.map_or_else(|| Arc::new(object), Arc::clone);
            next.insert(id, object);
        }
        if is_changed {
            *objects = Arc::new(next);
        }
        is_changed
    }
}

fn clone<T>((id, object): (&Id, &Arc<T>)) -> (Id, Arc<T>) {
    (id.clone(), Arc::clone(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Id {
        let (namespace, name) = text.split_once('/').unwrap();
        Id::new(namespace, name)
    }

    fn check(store: &Store<u8>, expect: &[(&str, u8)]) {
        let all = store.all();
        let all: Vec<_> = all.iter().map(|(id, object)| (id.to_string(), **object)).collect();
        let expect: Vec<_> =
            expect.iter().map(|(id, object)| ((*id).to_owned(), *object)).collect();
        assert_eq!(all, expect);
    }

    #[test]
    fn tells_changes_from_repetitions() {
        let store = Store::default();
        assert!(store.put(id("a/x"), 1));
        assert!(!store.put(id("a/x"), 1));
        assert!(store.put(id("a/x"), 2));
        assert!(!store.remove(&id("b/x")));
        assert!(store.put(id("b/x"), 3));
        check(&store, &[("a/x", 2), ("b/x", 3)]);
        assert!(store.remove(&id("a/x")));
        check(&store, &[("b/x", 3)]);
    }

    #[test]
    fn a_list_replaces_its_scope_only() {
        let store = Store::default();
        let scope = |namespace: Option<&str>, group| Scope {
            group,
            namespace: namespace.map(str::to_owned),
        };
        for (name, object) in [("a/x", 1), ("a/y", 2), ("b/x", 3)] {
            store.put(id(name), object);
        }
        let of_a = scope(Some("a"), Group::Present);
        let before = store.all();
        assert!(!store.replace(&of_a, BTreeMap::from([(id("a/x"), 1), (id("a/y"), 2)])));
        assert!(store.replace(&of_a, BTreeMap::from([(id("a/y"), 2), (id("a/z"), 4)])));
        check(&store, &[("a/y", 2), ("a/z", 4), ("b/x", 3)]);
        assert!(Arc::ptr_eq(&before[&id("a/y")], &store.all()[&id("a/y")]));
        assert!(!store.replace(&scope(None, Group::Old), BTreeMap::new()));
        assert!(store.replace(&scope(None, Group::Present), BTreeMap::new()));
        check(&store, &[]);
    }
}
