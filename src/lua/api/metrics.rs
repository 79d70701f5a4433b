//! The module `metrics`: what scripts count.

use std::rc::Rc;
use std::sync::Arc;

use mlua::{Lua, LuaString, Table, UserData, UserDataRegistry, Value};

use super::members::Others;
use super::{Doc, Function, Member, Module, Object};
use crate::lua::meter::{Family, Kind, Labels, MeterError};
use crate::lua::tools::Tools;

pub(super) const MODULE: Module = Module {
    name: "metrics",
    text: "Numbers for Prometheus, over all workers. Their names begin with `moongate_script_`; \
           equal names of several scripts are one metric. Labels are a table of texts; a metric \
           keeps a thousand sets of them, and counts what comes beyond with `overflow=\"true\"`.",
    functions: &[
        Function {
            doc: Doc {
                name: "counter",
                signature: "metrics.counter(name: string, help: string?) -> counter",
                text: "A number that only grows.",
                example: "local denied = metrics.counter(\"denied\", \"tokens refused\")",
            },
            make: |lua, tools| {
                let tools = Rc::downgrade(tools);
                lua.create_function(move |_, (name, help): Named| {
                    let tools = tools.upgrade().ok_or_else(super::store::ended)?;
                    family(&tools, &name, help.as_ref(), Kind::Counter).map(Counter)
                })
                .map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "gauge",
                signature: "metrics.gauge(name: string, help: string?) -> gauge",
                text: "A number that goes up and down.",
                example: "local waiting = metrics.gauge(\"waiting\", \"requests in the queue\")",
            },
            make: |lua, tools| {
                let tools = Rc::downgrade(tools);
                lua.create_function(move |_, (name, help): Named| {
                    let tools = tools.upgrade().ok_or_else(super::store::ended)?;
                    family(&tools, &name, help.as_ref(), Kind::Gauge).map(Gauge)
                })
                .map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "histogram",
                signature: "metrics.histogram(name: string, help: string?, bounds: {number}?) -> \
                            histogram",
                text: "Values by size; the bounds rise, and are those of seconds unless given.",
                example: "local took = metrics.histogram(\"took\", \"seconds\", { 0.1, 1, 10 })",
            },
            make: |lua, tools| {
                let tools = Rc::downgrade(tools);
                lua.create_function(
                    move |_, (name, help, bounds): (LuaString, Option<LuaString>, Bounds)| {
                        let tools = tools.upgrade().ok_or_else(super::store::ended)?;
                        let kind = Kind::histogram(bounds.unwrap_or_default()).map_err(wrong)?;
                        family(&tools, &name, help.as_ref(), kind).map(Histogram)
                    },
                )
                .map(Value::Function)
            },
        },
    ],
};

type Named = (LuaString, Option<LuaString>);
type Bounds = Option<Vec<f64>>;

fn family(
    tools: &Tools,
    name: &LuaString,
    help: Option<&LuaString>,
    kind: Kind,
) -> mlua::Result<Arc<Family>> {
    let help = help.map(LuaString::to_string_lossy).unwrap_or_default();
    tools.meters().family(&name.to_string_lossy(), &help, kind).map_err(wrong)
}

#[allow(clippy::needless_pass_by_value, reason = "it is what map_err takes")]
fn wrong(error: MeterError) -> mlua::Error {
    mlua::Error::runtime(format!("metrics: {error}"))
}

/// The labels of a table.
fn labels(table: Option<&Table>) -> mlua::Result<Labels> {
    let mut labels = Labels::new();
    for pair in table.into_iter().flat_map(Table::pairs::<LuaString, Value>) {
        let (name, value) = pair?;
        labels.push((name.to_string_lossy(), value.to_string()?));
    }
    Ok(labels)
}

/// What `metrics.counter` makes.
pub(super) struct Counter(Arc<Family>);

pub(super) const COUNTER: Object<Counter> = Object {
    name: "counter",
    text: "A counter that `metrics.counter` has made.",
    members: &[Member {
        doc: Doc {
            name: "inc",
            signature: "counter:inc(labels: table?, by: number?)",
            text: "Adds to the counter, 1 unless told; a counter never shrinks.",
            example: "denied:inc({ why = \"expired\" })",
        },
        add: |members| {
            members.method("inc", |_: &Lua, counter, (table, by): (Option<Table>, Option<f64>)| {
                let by = by.unwrap_or(1.0);
                if by.is_nan() || by < 0.0 {
                    return Err(mlua::Error::runtime("counter:inc: a counter never shrinks"));
                }
                counter.0.add(labels(table.as_ref())?, by).map_err(wrong)
            });
        },
    }],
};

/// What `metrics.gauge` makes.
pub(super) struct Gauge(Arc<Family>);

pub(super) const GAUGE: Object<Gauge> = Object {
    name: "gauge",
    text: "A gauge that `metrics.gauge` has made.",
    members: &[
        Member {
            doc: Doc {
                name: "set",
                signature: "gauge:set(value: number, labels: table?)",
                text: "Sets the gauge.",
                example: "waiting:set(#queue)",
            },
            add: |members| {
                members.method("set", |_: &Lua, gauge, (to, table): (f64, Option<Table>)| {
                    gauge.0.set(labels(table.as_ref())?, to).map_err(wrong)
                });
            },
        },
        Member {
            doc: Doc {
                name: "add",
                signature: "gauge:add(by: number, labels: table?)",
                text: "Adds to the gauge; a number below 0 takes away.",
                example: "waiting:add(-1)",
            },
            add: |members| {
                members.method("add", |_: &Lua, gauge, (by, table): (f64, Option<Table>)| {
                    gauge.0.add(labels(table.as_ref())?, by).map_err(wrong)
                });
            },
        },
    ],
};

/// What `metrics.histogram` makes.
pub(super) struct Histogram(Arc<Family>);

pub(super) const HISTOGRAM: Object<Histogram> = Object {
    name: "histogram",
    text: "A histogram that `metrics.histogram` has made.",
    members: &[Member {
        doc: Doc {
            name: "observe",
            signature: "histogram:observe(value: number, labels: table?)",
            text: "Counts a value.",
            example: "took:observe(os.clock() - began)",
        },
        add: |members| {
            members.method(
                "observe",
                |_: &Lua, histogram, (value, table): (f64, Option<Table>)| {
                    histogram.0.observe(labels(table.as_ref())?, value).map_err(wrong)
                },
            );
        },
    }],
};

impl UserData for Counter {
    fn register(registry: &mut UserDataRegistry<Self>) {
        COUNTER.register(registry, &Others::NONE);
    }
}

impl UserData for Gauge {
    fn register(registry: &mut UserDataRegistry<Self>) {
        GAUGE.register(registry, &Others::NONE);
    }
}

impl UserData for Histogram {
    fn register(registry: &mut UserDataRegistry<Self>) {
        HISTOGRAM.register(registry, &Others::NONE);
    }
}
