//! Does what its settings say, so that the host's tests can see whether this SDK keeps the contract.

mod call;

use sluice_transform_sdk::{
    Batch, BinaryWriter, BooleanWriter, Column, Fixed, InputColumn, Level, Output, Plan, Result, Setup, TextWriter,
    Transform, ValueWriter, Values, log, metric, transform,
};

use call::Call;

enum Conformance {
    Columns(Vec<String>),
    Rows(Vec<String>),
    Call(Call),
    Outcome,
    FanOut(i32),
    Log(usize),
    Error,
    Panic,
}

transform!(Conformance);

impl Transform for Conformance {
    fn configure(setup: &Setup) -> Result<(Self, Plan)> {
        let settings = setup.settings()?;
        let all = || setup.columns.iter().map(|column| column.name.clone()).collect();
        Ok(match settings.text("mode")? {
            "columns" => (Self::Columns(all()), copies(&setup.columns)),
            "rows" => (Self::Rows(all()), copies(&setup.columns)),
            "call" => {
                let (call, plan) = Call::configure(&settings)?;
                (Self::Call(call), plan)
            }
            "outcome" => (Self::Outcome, Plan::new().read("id").write("out", "string").deletes()),
            "fan-out" => {
                let plan = Plan::new().read("id").write("n", "int").required().key(["id", "n"]).deletes().fan_out();
                (Self::FanOut(settings.number("times")?), plan)
            }
            "log" => (Self::Log(settings.number("lines")?), Plan::new().write("out", "string")),
            "error" => (Self::Error, Plan::new().write("out", "string")),
            "panic" => (Self::Panic, Plan::new().write("out", "string")),
            other => return Err(format!("unknown mode {other}").into()),
        })
    }

    fn transform(&self, batch: &Batch) -> Result<Output> {
        match self {
            Self::Columns(names) => Ok(columns(names, batch)),
            Self::Rows(names) => rows(names, batch),
            Self::Call(call) => call.run(batch),
            Self::Outcome => outcome(batch),
            Self::FanOut(times) => fan_out(*times, batch),
            Self::Log(lines) => {
                for line in 0..*lines {
                    log(Level::Info, &format!("line {line}"));
                    metric("lines", 1.0);
                }
                Ok(Output::new().write("out", Column::constant("string", Some("logged"))))
            }
            Self::Error => Err("asked to fail".into()),
            Self::Panic => panic!("asked to crash"),
        }
    }
}

/// Reads all columns and writes each under another name.
fn copies(columns: &[InputColumn]) -> Plan {
    columns.iter().fold(Plan::new(), |plan, column| {
        plan.read(&column.name).write(&format!("out_{}", column.name), &column.data_type)
    })
}

fn columns(names: &[String], batch: &Batch) -> Output {
    names.iter().fold(Output::new(), |output, name| {
        output.write(&format!("out_{name}"), made_anew(batch.column(name), batch.rows()))
    })
}

/// Decodes a column to values and encodes them again.
fn made_anew(column: Column, rows: usize) -> Column {
    let data_type = column.data_type();
    match data_type.split('(').next().unwrap_or_default() {
        "boolean" => {
            let values = column.booleans();
            let mut writer = BooleanWriter::for_rows(rows);
            (0..rows).for_each(|row| writer.push(values.get(row)));
            writer.finish()
        }
        "string" => {
            let values = column.texts();
            let mut writer = TextWriter::for_rows(rows, values.total_bytes());
            values.iter().for_each(|value| writer.push(value));
            writer.finish()
        }
        "binary" => {
            let values = column.binaries();
            let mut writer = BinaryWriter::for_rows(rows, values.total_bytes());
            values.iter().for_each(|value| writer.push(value));
            writer.finish()
        }
        "int" | "date" => fixed(column.ints(), &data_type),
        "float" => fixed(column.floats(), &data_type),
        "double" => fixed(column.doubles(), &data_type),
        "decimal" => fixed(column.decimals(), &data_type),
        _ => fixed(column.longs(), &data_type),
    }
}

fn fixed<T: Fixed>(values: Values<T>, data_type: &str) -> Column {
    let mut writer = ValueWriter::<T>::for_rows(values.rows());
    values.iter().for_each(|value| writer.push(value));
    writer.finish(data_type)
}

fn rows(names: &[String], batch: &Batch) -> Result<Output> {
    batch.map_rows(|row| {
        for name in names {
            row.set(&format!("out_{name}"), row.get(name));
        }
        Ok(())
    })
}

fn outcome(batch: &Batch) -> Result<Output> {
    batch.map_rows(|row| {
        let id = row.long("id").ok_or("id is null")?;
        match id.rem_euclid(5) {
            3 => row.reject(format!("id {id} is refused")),
            4 => row.drop(),
            _ => row.set("out", id.to_string()),
        }
        Ok(())
    })
}

fn fan_out(times: i32, batch: &Batch) -> Result<Output> {
    batch.fan_out_rows(|row| {
        for number in 0..times {
            row.set("n", number);
            row.emit()?;
        }
        Ok(())
    })
}
