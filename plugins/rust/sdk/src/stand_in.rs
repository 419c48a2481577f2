//! What stands in for the host in tests on the author's machine: it keeps columns, and notes which kernels are called.

use std::cell::RefCell;
use std::fmt::Debug;

use crate::{Buffers, Column, Level};

#[derive(Debug, Clone)]
enum Held {
    Made {
        data_type: String,
        buffers: Buffers,
    },
    Constant {
        data_type: String,
        value: Option<String>,
    },
    /// What a kernel was called with.
    Computed(String),
}

#[derive(Default)]
struct StandIn {
    columns: Vec<Held>,
    names: Vec<(Column, String)>,
    logged: Vec<(Level, String)>,
    metrics: Vec<(String, f64)>,
}

thread_local! {
    static STAND_IN: RefCell<StandIn> = RefCell::default();
}

fn with<T>(run: impl FnOnce(&mut StandIn) -> T) -> T {
    STAND_IN.with_borrow_mut(run)
}

fn held(column: Column) -> Held {
    with(|stand_in| stand_in.columns[column.0 as usize].clone())
}

fn hold(held: Held) -> Column {
    with(|stand_in| {
        stand_in.columns.push(held);
        Column(stand_in.columns.len() as u32 - 1)
    })
}

pub fn data_type(of: Column) -> String {
    match held(of) {
        Held::Made { data_type, .. } | Held::Constant { data_type, .. } => data_type,
        Held::Computed(call) => only_in_the_host(&call),
    }
}

pub fn read(of: Column) -> Buffers {
    match held(of) {
        Held::Made { buffers, .. } => buffers,
        Held::Constant { data_type, value } => only_in_the_host(&format!("constant({data_type}, {value:?})")),
        Held::Computed(call) => only_in_the_host(&call),
    }
}

fn only_in_the_host(call: &str) -> ! {
    panic!("{call} is computed by the host: try it with `sluice plugin test`")
}

pub fn make(data_type: &str, _rows: usize, buffers: &Buffers) -> Column {
    hold(Held::Made { data_type: data_type.to_owned(), buffers: buffers.clone() })
}

pub fn constant(data_type: &str, value: Option<&str>) -> Column {
    hold(Held::Constant { data_type: data_type.to_owned(), value: value.map(str::to_owned) })
}

pub fn kernel(name: &str, arguments: &[&dyn Shown]) -> Column {
    let arguments: Vec<String> = arguments.iter().map(|argument| argument.show()).collect();
    hold(Held::Computed(format!("{name}({})", arguments.join(", "))))
}

pub fn log(level: Level, message: &str) {
    with(|stand_in| stand_in.logged.push((level, message.to_owned())));
}

pub fn metric(name: &str, add: f64) {
    with(|stand_in| stand_in.metrics.push((name.to_owned(), add)));
}

pub fn take_logged() -> Vec<(Level, String)> {
    with(|stand_in| std::mem::take(&mut stand_in.logged))
}

pub fn take_metrics() -> Vec<(String, f64)> {
    with(|stand_in| std::mem::take(&mut stand_in.metrics))
}

/// Gives a column the name by which `describe` calls it.
pub fn name(column: Column, name: &str) {
    with(|stand_in| stand_in.names.push((column, name.to_owned())));
}

/// A column as a call, such as `hex(hmac(email, [1, 2]))`.
pub fn describe(column: Column) -> String {
    let named = with(|stand_in| stand_in.names.iter().rev().find(|(named, _)| *named == column).cloned());
    match (named, held(column)) {
        (Some((_, name)), _) => name,
        (None, Held::Computed(call)) => call,
        (None, Held::Constant { data_type, value }) => format!("constant({data_type:?}, {value:?})"),
        (None, Held::Made { data_type, .. }) => format!("make({data_type:?})"),
    }
}

/// An argument of a kernel.
pub trait Shown {
    fn show(&self) -> String;
}

impl Shown for Column {
    fn show(&self) -> String {
        describe(*self)
    }
}

impl Shown for &[Column] {
    fn show(&self) -> String {
        let all: Vec<String> = self.iter().map(Shown::show).collect();
        format!("[{}]", all.join(", "))
    }
}

macro_rules! shown {
    ($($type:ty),*) => {
        $(impl Shown for $type {
            fn show(&self) -> String {
                show_debug(self)
            }
        })*
    };
}

fn show_debug(value: &dyn Debug) -> String {
    format!("{value:?}")
}

shown!(&str, &[&str], &[u8], u32, i32, Option<u32>);
