//! State that scripts of several workers share, and the middlewares that count.

use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Value, json};

use super::builtin::written;
use super::support::*;
use crate::lua::{Context, Flow, Instance, InstanceId, InstanceSpec, Shared, Vm};
use crate::message::{Request, Response};

/// One script on two workers.
struct Two {
    _vms: [Vm; 2],
    instances: [Rc<Instance>; 2],
}

impl Two {
    fn of(spec: &InstanceSpec) -> Self {
        let shared = Shared::new();
        let vms = [0, 1].map(|_| Vm::sharing(Arc::clone(&shared)).unwrap());
        let instances = [0, 1].map(|worker: usize| load(&vms[worker], spec.clone()).unwrap());
        Self { _vms: vms, instances }
    }

    fn built(kind: &str, options: &Value) -> Self {
        Self::of(&written(kind, options))
    }

    fn send(&self, worker: usize, request: Request, cx: &Rc<Context>) -> Flow {
        block_on(self.instances[worker].request(cx, 0, request))
    }

    /// The answer of a script that gives one.
    fn ask(&self, worker: usize, request: Request) -> Response {
        answered(self.send(worker, request, &context()))
    }
}

#[test]
fn stores_are_shared_over_workers() {
    let script = "local s = store.open('s', { max = '64KiB' })
        return { request = function(req)
            return respond(200, tostring(load_and_run(s, req.query)))
        end }";
    // Scripts cannot load code: what is asked for is a function by name.
    let script = script.replace("load_and_run(s, req.query)", "(asks[req.query](s))");
    let asks = "local asks = {
        set = function(s) return s:set('k', 'v', '1h') end,
        get = function(s) return s:get('k') end,
        ttl = function(s) local t = s:ttl('k') return t > 3500 and t <= 3600 end,
        add = function(s) return s:add('k', 'w') end,
        swap = function(s) return s:cas('k', 'v', 2) end,
        more = function(s) return s:incr('k', 3) end,
        full = function(s)
            local sum, is = s:incr('k', 3, { max = 6 })
            return tostring(sum) .. ' ' .. is
        end,
        flag = function(s) s:set('b', true) return s:get('b') end,
        del = function(s) return s:del('k') end,
        used = function(s) return s:used().entries end,
        wrong = function(s) return (pcall(s.set, s, 'k', {})) end,
        nothing = function(s) return s:ttl('k') end,
    } ";
    let two = Two::of(&spec(&(asks.to_owned() + &script), json!({})));
    for (worker, what, expect) in [
        (0, "set", "nil"),
        (1, "get", "v"),
        (1, "ttl", "true"),
        (1, "add", "false"),
        (1, "swap", "true"),
        (0, "more", "5"),
        (0, "full", "nil 5"),
        (1, "get", "5"),
        (0, "flag", "true"),
        (1, "used", "2"),
        (1, "del", "true"),
        (0, "get", "nil"),
        (0, "nothing", "nil"),
        (0, "wrong", "false"),
    ] {
        let got = text(two.ask(worker, request(&format!("GET a/?{what}"), &[])));
        assert_eq!(got, expect, "{what}");
    }
}

#[test]
fn middlewares_never_meet() {
    let script = "local s = store.open('s')
        return { request = function() return respond(200, tostring(s:incr('n'))) end }";
    let vm = Vm::new().unwrap();
    let one = |id| load(&vm, InstanceSpec { id: InstanceId(id), ..spec(script, json!({})) });
    let ask = |instance: &Rc<Instance>| {
        text(answered(block_on(instance.request(&context(), 0, request("GET a/", &[])))))
    };
    let (a, b) = (one(1).unwrap(), one(2).unwrap());
    assert_eq!((ask(&a), ask(&a), ask(&b)), ("1".into(), "2".into(), "1".into()));
    // The same middleware in the next generation, while the one before is still served.
    let again = one(1).unwrap();
    drop(a);
    assert_eq!(ask(&again), "3");
}

#[test]
fn rate_limit() {
    let two = Two::built("rateLimit", &json!({"average": 1, "period": "10s", "burst": 3}));
    let from = |worker| two.send(worker, request("GET h/", &[]), &context());
    for worker in [0, 1, 0] {
        passed(from(worker));
    }
    let refused = answered(from(1));
    assert_eq!(refused.status.as_u16(), 429);
    assert_eq!(header(&refused.headers, "retry-after"), Some("10"));
    let wait = header(&refused.headers, "x-retry-in").unwrap();
    assert!(wait.starts_with("9.") && wait.ends_with('s'), "{wait}");
    assert_eq!(text(refused), "Too Many Requests");
    let free = Two::built("rateLimit", &json!({"burst": 1}));
    for worker in [0, 1, 0, 1] {
        passed(free.send(worker, request("GET h/", &[]), &context()));
    }
}

#[test]
fn rates_are_counted_by_source() {
    let check = |criterion: Value, requests: &[(Request, bool)]| {
        let options = json!({"average": 1, "period": "1h", "sourceCriterion": criterion});
        let two = Two::built("rateLimit", &options);
        for (sent, is_good) in requests {
            let copy = request_like(sent);
            let got = two.send(0, copy, &context());
            assert_eq!(matches!(got, Flow::Next(_)), *is_good, "{criterion} {sent:?}");
        }
    };
    let by = |name: &str, value: &str| request("GET h/", &[(name, value)]);
    let host = |host: &str| request(&format!("GET {host}/"), &[]);
    check(
        json!({"requestHeaderName": "X-K"}),
        &[
            (by("X-K", "a"), true),
            (by("X-K", "b"), true),
            (by("X-K", "a"), false),
            (host("h"), true),
            (host("h"), false),
        ],
    );
    check(
        json!({"requestHost": true}),
        &[(host("a"), true), (host("b"), true), (host("a"), false)],
    );
    check(
        json!({"ipStrategy": {"depth": 2, "ipv6Subnet": 64}}),
        &[
            (by("X-Forwarded-For", "2001:db8::1, 10.0.0.1"), true),
            (by("X-Forwarded-For", "2001:db8::2, 10.0.0.1"), false),
            (by("X-Forwarded-For", "2001:db9::2, 10.0.0.1"), true),
        ],
    );
}

fn request_like(sent: &Request) -> Request {
    let mut copy = request(&format!("GET {}/", std::str::from_utf8(&sent.host).unwrap()), &[]);
    copy.headers = sent.headers.clone();
    copy
}

#[test]
fn wrong_limits_are_told() {
    let vm = Vm::new().unwrap();
    for (kind, options, expect) in [
        (
            "rateLimit",
            json!({"average": 1, "redis": {"tls": {"cert": "-----BEGIN"}}}),
            "cert and key belong together",
        ),
        (
            "inFlightReq",
            json!({
                "amount": 1,
                "sourceCriterion": {"requestHost": true, "requestHeaderName": "X"},
            }),
            "only one of",
        ),
        ("ipAllowList", json!({"ipStrategy": {"depth": 1}}), "sourceRange: is empty"),
        (
            "ipAllowList",
            json!({"sourceRange": ["::1"], "rejectStatusCode": 799}),
            "rejectStatusCode: is no status",
        ),
        ("circuitBreaker", json!({"expression": "Nonsense() > 1"}), "Nonsense"),
    ] {
        let error = load(&vm, written(kind, &options)).unwrap_err().to_string();
        assert!(error.contains(expect), "{kind}: {error}");
    }
}

#[test]
fn requests_in_flight() {
    let two = Two::built("inFlightReq", &json!({"amount": 2}));
    let send = |worker, host: &str, cx: &Rc<Context>| {
        let got = two.send(worker, request(&format!("GET {host}/"), &[]), cx);
        matches!(got, Flow::Next(_))
    };
    let (first, second, third) = (context(), context(), context());
    assert!(send(0, "h", &first));
    assert!(send(1, "h", &second));
    assert!(!send(0, "h", &third));
    assert!(send(0, "other", &third));
    drop(first);
    assert!(send(1, "h", &third));
    let refused = two.ask(1, request("GET h/", &[]));
    assert_eq!(
        (refused.status.as_u16(), text(refused)),
        (429, "max connections reached: 2".into())
    );
}

#[test]
fn addresses_are_let_in() {
    let check = |how: Value, forwarded: &str, is_good: bool| {
        let options = json!({"sourceRange": ["10.0.0.1", "127.0.0.0/8"], "ipStrategy": how});
        let request = request("GET h/", &[("X-Forwarded-For", forwarded)]);
        let got = flow(written("ipAllowList", &options), request);
        assert_eq!(matches!(got, Flow::Next(_)), is_good, "{how} {forwarded}");
    };
    check(json!({}), "1.1.1.1", true);
    check(json!({"depth": 1}), "1.1.1.1, 10.0.0.1", true);
    check(json!({"depth": 2}), "10.0.0.1,1.1.1.1", true);
    check(json!({"depth": 2}), "10.0.0.1", false);
    check(json!({"excludedIPs": ["10.0.0.2"]}), "10.0.0.1, 10.0.0.2", true);
    check(json!({"excludedIPs": ["10.0.0.2"]}), "10.0.0.1, 1.1.1.1", false);
    check(json!({"excludedIPs": ["10.0.0.2"]}), "10.0.0.2", false);
}

#[test]
fn circuit_breaker() {
    let options = json!({
        "expression": "ResponseCodeRatio(200, 300, 0, 600) > 0.5 && LatencyAtQuantileMS(50) < 500",
        "responseCode": 418,
    });
    let two = Two::built("circuitBreaker", &options);
    assert_eq!(two.ask(0, request("GET h/", &[])).status.as_u16(), 200);
    for worker in [1, 0] {
        let stopped = two.ask(worker, request("GET h/", &[]));
        assert_eq!((stopped.status.as_u16(), text(stopped)), (418, "I'm a teapot".into()));
    }
    let closed = Two::built("circuitBreaker", &json!({"expression": "NetworkErrorRatio() > 0"}));
    for worker in [0, 1, 0] {
        assert_eq!(closed.ask(worker, request("GET h/", &[])).status.as_u16(), 200);
    }
}

#[test]
fn a_circuit_closes_again() {
    let options = json!({
        "expression": "ResponseCodeRatio(200, 300, 0, 600) > 0.5", "checkPeriod": "1h",
        "fallbackDuration": "0s", "recoveryDuration": "0s",
    });
    let two = Two::built("circuitBreaker", &options);
    let statuses = |worker| two.ask(worker, request("GET h/", &[])).status.as_u16();
    assert_eq!((statuses(0), statuses(1)), (200, 503));
    assert!((0..1000).any(|turn| statuses(turn % 2) == 200));
}
