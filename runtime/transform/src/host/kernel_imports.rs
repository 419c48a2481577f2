//! The kernels as components import them: `interface kernels` of `wit/transform/v1/transform.wit`.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use sluice_change::ColumnType;
use wasmtime::StoreContextMut;
use wasmtime::component::LinkerInstance;

use super::state::{self, Fault, State, charge};
use crate::kernels::{self, Column, KernelError, Limits};

/// Fuel that a kernel takes: a unit is about as dear as one that a guest burns, some 18 of them a nanosecond.
///
/// What is charged depends on the numbers of rows and bytes alone, never on the time, so that a row's fate is the same on
/// every machine. Values are for the slower of the ways that a kernel has: text that is not ASCII, decimals, a division.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// For each row of the longest argument.
    row: u64,
    /// For each byte of text or `binary` in the arguments.
    byte: u64,
}

/// For each call: looking up its columns and making one.
const CALL: u64 = 2_000;
/// For each byte of text or `binary` in the result.
const RESULT_BYTE: u64 = 1;
/// For each byte of a pattern, which is compiled, or looked up among those that were, which costs the same fuel.
const PATTERN_BYTE: u64 = 20_000;
/// For each value of a list, which is read and put into a table.
const LIST_VALUE: u64 = 2_000;

/// What each kernel costs.
const COSTS: [(&str, Cost); 45] = [
    ("lower", Cost { row: 100, byte: 15 }),
    ("upper", Cost { row: 100, byte: 15 }),
    ("trim", Cost { row: 200, byte: 3 }),
    ("length", Cost { row: 50, byte: 3 }),
    ("substring", Cost { row: 200, byte: 6 }),
    ("split-part", Cost { row: 250, byte: 6 }),
    ("replace", Cost { row: 300, byte: 10 }),
    ("pad-start", Cost { row: 200, byte: 4 }),
    ("concat", Cost { row: 100, byte: 3 }),
    ("starts-with", Cost { row: 60, byte: 0 }),
    ("ends-with", Cost { row: 60, byte: 0 }),
    ("contains", Cost { row: 200, byte: 6 }),
    ("regex-matches", Cost { row: 1_000, byte: 60 }),
    ("regex-extract", Cost { row: 2_500, byte: 100 }),
    ("regex-replace", Cost { row: 2_000, byte: 150 }),
    ("json-field", Cost { row: 600, byte: 40 }),
    ("hmac", Cost { row: 2_500, byte: 15 }),
    ("sha256", Cost { row: 1_500, byte: 15 }),
    ("keyed-hash", Cost { row: 300, byte: 15 }),
    ("mask", Cost { row: 150, byte: 10 }),
    ("hex", Cost { row: 50, byte: 15 }),
    ("base64", Cost { row: 200, byte: 15 }),
    ("cast", Cost { row: 1_000, byte: 20 }),
    ("add", Cost { row: 150, byte: 0 }),
    ("subtract", Cost { row: 150, byte: 0 }),
    ("multiply", Cost { row: 150, byte: 0 }),
    ("divide", Cost { row: 300, byte: 0 }),
    ("remainder", Cost { row: 300, byte: 0 }),
    ("round", Cost { row: 1_500, byte: 0 }),
    ("abs", Cost { row: 50, byte: 0 }),
    ("equal", Cost { row: 60, byte: 3 }),
    ("not-equal", Cost { row: 60, byte: 3 }),
    ("less", Cost { row: 60, byte: 3 }),
    ("less-or-equal", Cost { row: 60, byte: 3 }),
    ("greater", Cost { row: 60, byte: 3 }),
    ("greater-or-equal", Cost { row: 60, byte: 3 }),
    ("is-in", Cost { row: 400, byte: 10 }),
    ("is-null", Cost { row: 5, byte: 0 }),
    ("both", Cost { row: 5, byte: 0 }),
    ("either", Cost { row: 5, byte: 0 }),
    ("negate", Cost { row: 5, byte: 0 }),
    ("coalesce", Cost { row: 100, byte: 3 }),
    ("choose", Cost { row: 100, byte: 3 }),
    ("filter", Cost { row: 100, byte: 3 }),
    // What is taken is charged for by the result's bytes, wherever it comes from.
    ("take", Cost { row: 200, byte: 0 }),
];

/// Most columns of `concat` and `coalesce`.
const MOST_PARTS: usize = 1_000;

/// A kernel under its name in the contract.
#[derive(Debug, Clone, Copy)]
struct Kernel {
    name: &'static str,
    cost: Cost,
}

impl Kernel {
    fn named(name: &'static str) -> wasmtime::Result<Self> {
        match COSTS.iter().find(|(found, _)| *found == name) {
            Some((_, cost)) => Ok(Self { name, cost: *cost }),
            None => Err(Fault(format!("the kernel {name} has no price")).into()),
        }
    }

    /// Computes a column of others, for the fuel that it takes and `extra`.
    fn run(
        self,
        store: &mut StoreContextMut<'_, State>,
        columns: &[&Column],
        extra: u64,
        compute: impl FnOnce(Limits) -> Result<Column, KernelError>,
    ) -> wasmtime::Result<(u32,)> {
        let rows = columns.iter().map(|column| column.array().len()).max().unwrap_or(0) as u64;
        let bytes: u64 = columns.iter().map(|column| text_bytes(column)).sum();
        // Each further column is one more look at each row.
        let looks = columns.len().div_ceil(2).max(1) as u64;
        let units = self.cost.row.saturating_mul(rows).saturating_mul(looks);
        let units = units.saturating_add(self.cost.byte.saturating_mul(bytes)).saturating_add(extra);
        charge(store, units.saturating_add(CALL))?;
        let limits = Limits { bytes: store.data().bytes_left() };
        let result = state::compute(store, || compute(limits))?;
        let result = result.map_err(|error| Fault(format!("{}: {error}", self.name)))?;
        charge(store, text_bytes(&result).saturating_mul(RESULT_BYTE))?;
        Ok((store.data_mut().push(result)?,))
    }
}

/// Bytes of a column's texts or `binary` values.
fn text_bytes(column: &Column) -> u64 {
    let array = column.array();
    let offsets = match (array.as_string_opt::<i32>(), array.as_binary_opt::<i32>()) {
        (Some(texts), _) => texts.offsets(),
        (_, Some(bytes)) => bytes.offsets(),
        _ => return 0,
    };
    (offsets[offsets.len() - 1] - offsets[0]) as u64
}

type Unary = fn(&Column, Limits) -> Result<Column, KernelError>;
type Binary = fn(&Column, &Column, Limits) -> Result<Column, KernelError>;
type WithText = fn(&Column, &str, Limits) -> Result<Column, KernelError>;
type WithKey = fn(&Column, &[u8], Limits) -> Result<Column, KernelError>;
type OfMany = fn(&[Column], &str, Limits) -> Result<Column, KernelError>;

type Instance<'a, 'b> = &'a mut LinkerInstance<'b, State>;

/// Registers all kernels.
pub(super) fn link(linker: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    text(linker)?;
    patterns(linker)?;
    pseudonyms(linker)?;
    numbers(linker)?;
    conditions(linker)?;
    choices(linker)
}

fn unary(linker: Instance<'_, '_>, name: &'static str, compute: Unary) -> wasmtime::Result<()> {
    let kernel = Kernel::named(name)?;
    linker.func_wrap(name, move |mut store: StoreContextMut<'_, State>, (of,): (u32,)| {
        let of = store.data().column(of)?;
        kernel.run(&mut store, &[&of], 0, |limits| compute(&of, limits))
    })
}

fn binary(linker: Instance<'_, '_>, name: &'static str, compute: Binary) -> wasmtime::Result<()> {
    let kernel = Kernel::named(name)?;
    linker.func_wrap(name, move |mut store: StoreContextMut<'_, State>, (left, right): (u32, u32)| {
        let (left, right) = (store.data().column(left)?, store.data().column(right)?);
        kernel.run(&mut store, &[&left, &right], 0, |limits| compute(&left, &right, limits))
    })
}

/// `extra` is fuel for each byte of the text.
fn with_text(linker: Instance<'_, '_>, name: &'static str, extra: u64, compute: WithText) -> wasmtime::Result<()> {
    let kernel = Kernel::named(name)?;
    linker.func_wrap(name, move |mut store: StoreContextMut<'_, State>, (of, text): (u32, String)| {
        let of = store.data().column(of)?;
        let extra = extra.saturating_mul(text.len() as u64);
        kernel.run(&mut store, &[&of], extra, |limits| compute(&of, &text, limits))
    })
}

fn with_key(linker: Instance<'_, '_>, name: &'static str, compute: WithKey) -> wasmtime::Result<()> {
    let kernel = Kernel::named(name)?;
    linker.func_wrap(name, move |mut store: StoreContextMut<'_, State>, (of, key): (u32, Vec<u8>)| {
        let of = store.data().column(of)?;
        kernel.run(&mut store, &[&of], key.len() as u64 * kernel.cost.byte, |limits| compute(&of, &key, limits))
    })
}

fn of_many(
    store: &mut StoreContextMut<'_, State>,
    kernel: Kernel,
    parts: &[u32],
    separator: &str,
    compute: OfMany,
) -> wasmtime::Result<(u32,)> {
    if parts.len() > MOST_PARTS {
        let (name, parts) = (kernel.name, parts.len());
        return Err(Fault(format!("{name}: {parts} columns are too many, {MOST_PARTS} are the most")).into());
    }
    let parts = parts.iter().map(|part| store.data().column(*part)).collect::<wasmtime::Result<Vec<_>>>()?;
    kernel.run(store, &parts.iter().collect::<Vec<_>>(), 0, |limits| compute(&parts, separator, limits))
}

fn text(linker: Instance<'_, '_>) -> wasmtime::Result<()> {
    unary(linker, "lower", kernels::lower)?;
    unary(linker, "upper", kernels::upper)?;
    unary(linker, "trim", kernels::trim)?;
    unary(linker, "length", kernels::length)?;
    let kernel = Kernel::named("substring")?;
    linker.func_wrap(
        kernel.name,
        move |mut store: StoreContextMut<'_, State>, (of, start, length): (u32, i32, Option<u32>)| {
            let of = store.data().column(of)?;
            kernel.run(&mut store, &[&of], 0, |limits| kernels::substring(&of, start, length, limits))
        },
    )?;
    let kernel = Kernel::named("split-part")?;
    linker.func_wrap(
        kernel.name,
        move |mut store: StoreContextMut<'_, State>, (of, separator, index): (u32, String, u32)| {
            let of = store.data().column(of)?;
            kernel.run(&mut store, &[&of], 0, |limits| kernels::split_part(&of, &separator, index, limits))
        },
    )?;
    let kernel = Kernel::named("replace")?;
    linker.func_wrap(
        kernel.name,
        move |mut store: StoreContextMut<'_, State>, (of, search, replacement): (u32, String, String)| {
            let of = store.data().column(of)?;
            kernel.run(&mut store, &[&of], 0, |limits| kernels::replace(&of, &search, &replacement, limits))
        },
    )?;
    let kernel = Kernel::named("pad-start")?;
    linker.func_wrap(
        kernel.name,
        move |mut store: StoreContextMut<'_, State>, (of, length, fill): (u32, u32, String)| {
            let of = store.data().column(of)?;
            kernel.run(&mut store, &[&of], 0, |limits| kernels::pad_start(&of, length, &fill, limits))
        },
    )?;
    let kernel = Kernel::named("concat")?;
    linker.func_wrap(
        kernel.name,
        move |mut store: StoreContextMut<'_, State>, (parts, separator): (Vec<u32>, String)| {
            of_many(&mut store, kernel, &parts, &separator, kernels::concat)
        },
    )?;
    with_text(linker, "starts-with", 0, |of, prefix, _| kernels::starts_with(of, prefix))?;
    with_text(linker, "ends-with", 0, |of, suffix, _| kernels::ends_with(of, suffix))?;
    with_text(linker, "contains", 0, |of, search, _| kernels::contains(of, search))
}

fn patterns(linker: Instance<'_, '_>) -> wasmtime::Result<()> {
    with_text(linker, "regex-matches", PATTERN_BYTE, |of, pattern, _| kernels::regex_matches(of, pattern))?;
    let kernel = Kernel::named("regex-extract")?;
    linker.func_wrap(
        kernel.name,
        move |mut store: StoreContextMut<'_, State>, (of, pattern, group): (u32, String, u32)| {
            let of = store.data().column(of)?;
            let extra = PATTERN_BYTE.saturating_mul(pattern.len() as u64);
            kernel.run(&mut store, &[&of], extra, |limits| kernels::regex_extract(&of, &pattern, group, limits))
        },
    )?;
    let kernel = Kernel::named("regex-replace")?;
    linker.func_wrap(
        kernel.name,
        move |mut store: StoreContextMut<'_, State>, (of, pattern, replacement): (u32, String, String)| {
            let of = store.data().column(of)?;
            let extra = PATTERN_BYTE.saturating_mul(pattern.len() as u64);
            kernel.run(&mut store, &[&of], extra, |limits| kernels::regex_replace(&of, &pattern, &replacement, limits))
        },
    )?;
    with_text(linker, "json-field", 0, kernels::json_field)
}

fn pseudonyms(linker: Instance<'_, '_>) -> wasmtime::Result<()> {
    with_key(linker, "hmac", kernels::hmac)?;
    unary(linker, "sha256", kernels::sha256)?;
    with_key(linker, "keyed-hash", kernels::keyed_hash)?;
    let kernel = Kernel::named("mask")?;
    linker.func_wrap(
        kernel.name,
        move |mut store: StoreContextMut<'_, State>, (of, start, end, fill): (u32, u32, u32, String)| {
            let of = store.data().column(of)?;
            kernel.run(&mut store, &[&of], 0, |limits| kernels::mask(&of, start, end, &fill, limits))
        },
    )?;
    unary(linker, "hex", kernels::hex)?;
    unary(linker, "base64", kernels::base64)
}

fn numbers(linker: Instance<'_, '_>) -> wasmtime::Result<()> {
    with_text(linker, "cast", 0, |of, data_type, limits| {
        let to = data_type.parse::<ColumnType>().map_err(|error| KernelError(error.to_string()))?;
        kernels::cast(of, to, limits)
    })?;
    binary(linker, "add", kernels::add)?;
    binary(linker, "subtract", kernels::subtract)?;
    binary(linker, "multiply", kernels::multiply)?;
    binary(linker, "divide", kernels::divide)?;
    binary(linker, "remainder", kernels::remainder)?;
    let kernel = Kernel::named("round")?;
    linker.func_wrap(kernel.name, move |mut store: StoreContextMut<'_, State>, (of, digits): (u32, i32)| {
        let of = store.data().column(of)?;
        kernel.run(&mut store, &[&of], 0, |limits| kernels::round(&of, digits, limits))
    })?;
    unary(linker, "abs", kernels::abs)
}

fn conditions(linker: Instance<'_, '_>) -> wasmtime::Result<()> {
    binary(linker, "equal", |left, right, _| kernels::equal(left, right))?;
    binary(linker, "not-equal", |left, right, _| kernels::not_equal(left, right))?;
    binary(linker, "less", |left, right, _| kernels::less(left, right))?;
    binary(linker, "less-or-equal", |left, right, _| kernels::less_or_equal(left, right))?;
    binary(linker, "greater", |left, right, _| kernels::greater(left, right))?;
    binary(linker, "greater-or-equal", |left, right, _| kernels::greater_or_equal(left, right))?;
    let kernel = Kernel::named("is-in")?;
    linker.func_wrap(kernel.name, move |mut store: StoreContextMut<'_, State>, (of, values): (u32, Vec<String>)| {
        let of = store.data().column(of)?;
        let extra = LIST_VALUE.saturating_mul(values.len() as u64);
        kernel.run(&mut store, &[&of], extra, |_| kernels::is_in(&of, &values))
    })?;
    unary(linker, "is-null", |of, _| kernels::is_null(of))?;
    binary(linker, "both", |left, right, _| kernels::both(left, right))?;
    binary(linker, "either", |left, right, _| kernels::either(left, right))?;
    unary(linker, "negate", |of, _| kernels::negate(of))
}

fn choices(linker: Instance<'_, '_>) -> wasmtime::Result<()> {
    let kernel = Kernel::named("coalesce")?;
    linker.func_wrap(kernel.name, move |mut store: StoreContextMut<'_, State>, (choices,): (Vec<u32>,)| {
        of_many(&mut store, kernel, &choices, "", |choices, _, limits| kernels::coalesce(choices, limits))
    })?;
    let kernel = Kernel::named("choose")?;
    linker.func_wrap(
        kernel.name,
        move |mut store: StoreContextMut<'_, State>, (condition, then, otherwise): (u32, u32, u32)| {
            let condition = store.data().column(condition)?;
            let (then, otherwise) = (store.data().column(then)?, store.data().column(otherwise)?);
            kernel.run(&mut store, &[&condition, &then, &otherwise], 0, |limits| {
                kernels::choose(&condition, &then, &otherwise, limits)
            })
        },
    )?;
    binary(linker, "filter", kernels::filter)?;
    let kernel = Kernel::named("take")?;
    linker.func_wrap(kernel.name, move |mut store: StoreContextMut<'_, State>, (of, rows): (u32, u32)| {
        let (of, rows) = (store.data().column(of)?, store.data().column(rows)?);
        // As many rows as are taken, however many there are to take from.
        kernel.run(&mut store, &[&rows], 0, |limits| kernels::take(&of, &rows, limits))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use wasmtime::component::{Component, Linker};
    use wasmtime::{Engine, Store};
    use wit_parser::{FunctionKind, Resolve};

    use super::*;

    /// Names of the contract's kernels, and their parameters as a component writes them.
    fn contract() -> Vec<(String, String)> {
        let mut resolve = Resolve::default();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit/transform/v1");
        let (package, _) = resolve.push_path(folder).unwrap();
        let interface = resolve.packages[package].interfaces["kernels"];
        let functions = resolve.interfaces[interface].functions.values();
        let functions = functions.filter(|function| function.kind == FunctionKind::Freestanding);
        let written = functions.map(|function| {
            let params = function.params.iter().map(|param| {
                let mut written = String::new();
                write_type(&resolve, &param.ty, &mut written);
                format!("(param \"{}\" {written})", param.name)
            });
            let params: String = params.collect();
            let mut result = String::new();
            write_type(&resolve, function.result.as_ref().unwrap(), &mut result);
            (function.name.clone(), format!("{params} (result {result})"))
        });
        written.collect()
    }

    fn write_type(resolve: &Resolve, of: &wit_parser::Type, out: &mut String) {
        use wit_parser::{Type, TypeDefKind};
        match of {
            Type::U8 => out.push_str("u8"),
            Type::U32 => out.push_str("u32"),
            Type::S32 => out.push_str("s32"),
            Type::String => out.push_str("string"),
            Type::Id(id) => match &resolve.types[*id].kind {
                TypeDefKind::Type(inner) => write_type(resolve, inner, out),
                TypeDefKind::List(inner) => {
                    out.push_str("(list ");
                    write_type(resolve, inner, out);
                    out.push(')');
                }
                TypeDefKind::Option(inner) => {
                    out.push_str("(option ");
                    write_type(resolve, inner, out);
                    out.push(')');
                }
                other => panic!("no kernel takes {other:?}"),
            },
            other => panic!("no kernel takes {other:?}"),
        }
    }

    #[test]
    fn every_kernel_of_the_contract_has_a_price_and_nothing_else_has() {
        let names: BTreeSet<String> = contract().into_iter().map(|(name, _)| name).collect();
        let priced: BTreeSet<String> = COSTS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(names, priced);
    }

    #[test]
    fn a_component_can_import_every_kernel_with_the_types_of_the_contract() {
        let functions: String =
            contract().into_iter().map(|(name, signature)| format!("(export \"{name}\" (func {signature}))")).collect();
        let text = format!(r#"(component (import "sluice:transform/kernels@1.0.0" (instance {functions})))"#);
        let engine = Engine::default();
        let component = Component::new(&engine, wat::parse_str(&text).unwrap()).unwrap();
        let mut linker = Linker::<State>::new(&engine);
        link(&mut linker.instance("sluice:transform/kernels@1.0.0").unwrap()).unwrap();
        let mut store = Store::new(&engine, State::new(1 << 20, 1 << 20, u64::MAX, None));
        linker.instantiate(&mut store, &component).unwrap();
    }
}
