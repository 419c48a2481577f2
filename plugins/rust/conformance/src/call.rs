//! Calls a kernel by its name in the contract.

use sluice_transform_sdk::{Batch, Column, Json, Output, Plan, Result};

/// An argument as the settings give it.
enum Argument {
    Column(Source),
    Columns(Vec<Source>),
    Text(String),
    Texts(Vec<String>),
    Number(i64),
    Bytes(Vec<u8>),
    None,
}

/// Where a column comes from.
enum Source {
    Named(String),
    Constant(String, Option<String>),
}

pub struct Call {
    kernel: String,
    arguments: Vec<Argument>,
    source_rows: Option<Source>,
}

impl Call {
    pub fn configure(settings: &Json) -> Result<(Call, Plan)> {
        let call = settings.get("call").and_then(Json::as_list).ok_or("`call` is not a list")?;
        let kernel = call.first().and_then(Json::as_text).ok_or("`call` does not begin with a kernel's name")?;
        let arguments = call[1..].iter().map(argument).collect::<Result<Vec<_>>>()?;
        let source_rows = settings.get("sources").map(source).transpose()?;
        let call = Call { kernel: kernel.to_owned(), arguments, source_rows };
        let plan = call.names().iter().fold(Plan::new(), |plan, name| plan.read(name));
        Ok((call, plan.write("out", settings.text("type")?)))
    }

    fn names(&self) -> Vec<String> {
        let in_arguments = self.arguments.iter().flat_map(|argument| match argument {
            Argument::Column(source) => std::slice::from_ref(source),
            Argument::Columns(sources) => sources,
            _ => &[],
        });
        let names = in_arguments.chain(&self.source_rows).filter_map(|source| match source {
            Source::Named(name) => Some(name.clone()),
            Source::Constant(..) => None,
        });
        names.collect()
    }

    pub fn run(&self, batch: &Batch) -> Result<Output> {
        let output = Output::new().write("out", self.call(batch)?);
        Ok(match &self.source_rows {
            Some(rows) => output.source_rows(rows.column(batch)),
            None => output,
        })
    }

    fn call(&self, batch: &Batch) -> Result<Column> {
        let column = |index: usize| match self.arguments.get(index) {
            Some(Argument::Column(source)) => Ok(source.column(batch)),
            _ => Err(format!("argument {index} of {} is not a column", self.kernel)),
        };
        let text = |index: usize| match self.arguments.get(index) {
            Some(Argument::Text(text)) => Ok(text.as_str()),
            _ => Err(format!("argument {index} of {} is not a text", self.kernel)),
        };
        let number = |index: usize| match self.arguments.get(index) {
            Some(Argument::Number(number)) => Ok(*number),
            _ => Err(format!("argument {index} of {} is not a number", self.kernel)),
        };
        let bytes = |index: usize| match self.arguments.get(index) {
            Some(Argument::Bytes(bytes)) => Ok(bytes.as_slice()),
            _ => Err(format!("argument {index} of {} is not bytes", self.kernel)),
        };
        let columns = || match self.arguments.first() {
            Some(Argument::Columns(sources)) => {
                Ok(sources.iter().map(|source| source.column(batch)).collect::<Vec<_>>())
            }
            _ => Err(format!("argument 0 of {} is not a list of columns", self.kernel)),
        };
        let texts = || match self.arguments.get(1) {
            Some(Argument::Texts(texts)) => Ok(texts.iter().map(String::as_str).collect::<Vec<_>>()),
            _ => Err(format!("argument 1 of {} is not a list of texts", self.kernel)),
        };
        Ok(match self.kernel.as_str() {
            "lower" => column(0)?.lower(),
            "upper" => column(0)?.upper(),
            "trim" => column(0)?.trim(),
            "length" => column(0)?.length(),
            "substring" => {
                let length =
                    if matches!(self.arguments.get(2), Some(Argument::None)) { None } else { Some(number(2)?) };
                column(0)?.substring(number(1)?.try_into()?, length.map(u32::try_from).transpose()?)
            }
            "split-part" => column(0)?.split_part(text(1)?, number(2)?.try_into()?),
            "replace" => column(0)?.replace(text(1)?, text(2)?),
            "pad-start" => column(0)?.pad_start(number(1)?.try_into()?, text(2)?),
            "concat" => Column::concat(&columns()?, text(1)?),
            "starts-with" => column(0)?.starts_with(text(1)?),
            "ends-with" => column(0)?.ends_with(text(1)?),
            "contains" => column(0)?.contains(text(1)?),
            "regex-matches" => column(0)?.regex_matches(text(1)?),
            "regex-extract" => column(0)?.regex_extract(text(1)?, number(2)?.try_into()?),
            "regex-replace" => column(0)?.regex_replace(text(1)?, text(2)?),
            "json-field" => column(0)?.json_field(text(1)?),
            "hmac" => column(0)?.hmac(bytes(1)?),
            "sha256" => column(0)?.sha256(),
            "keyed-hash" => column(0)?.keyed_hash(bytes(1)?),
            "mask" => column(0)?.mask(number(1)?.try_into()?, number(2)?.try_into()?, text(3)?),
            "hex" => column(0)?.hex(),
            "base64" => column(0)?.base64(),
            "cast" => column(0)?.cast(text(1)?),
            "add" => column(0)?.add(column(1)?),
            "subtract" => column(0)?.subtract(column(1)?),
            "multiply" => column(0)?.multiply(column(1)?),
            "divide" => column(0)?.divide(column(1)?),
            "remainder" => column(0)?.remainder(column(1)?),
            "round" => column(0)?.round(number(1)?.try_into()?),
            "abs" => column(0)?.abs(),
            "equal" => column(0)?.equal(column(1)?),
            "not-equal" => column(0)?.not_equal(column(1)?),
            "less" => column(0)?.less(column(1)?),
            "less-or-equal" => column(0)?.less_or_equal(column(1)?),
            "greater" => column(0)?.greater(column(1)?),
            "greater-or-equal" => column(0)?.greater_or_equal(column(1)?),
            "is-in" => column(0)?.is_in(&texts()?),
            "is-null" => column(0)?.is_null(),
            "both" => column(0)?.both(column(1)?),
            "either" => column(0)?.either(column(1)?),
            "negate" => column(0)?.negate(),
            "coalesce" => Column::coalesce(&columns()?),
            "choose" => column(0)?.choose(column(1)?, column(2)?),
            "filter" => column(0)?.filter(column(1)?),
            "take" => column(0)?.take(column(1)?),
            other => return Err(format!("unknown kernel {other}").into()),
        })
    }
}

impl Source {
    fn column(&self, batch: &Batch) -> Column {
        match self {
            Source::Named(name) => batch.column(name),
            Source::Constant(data_type, value) => Column::constant(data_type, value.as_deref()),
        }
    }
}

fn argument(json: &Json) -> Result<Argument> {
    let (kind, value) = json.as_object().and_then(|members| members.first()).ok_or("an argument is not an object")?;
    let text = |value: &Json| value.as_text().map(str::to_owned).ok_or_else(|| format!("`{kind}` is not a text"));
    let list = || value.as_list().ok_or_else(|| format!("`{kind}` is not a list"));
    Ok(match kind.as_str() {
        "column" | "constant" => Argument::Column(source(json)?),
        "columns" => Argument::Columns(list()?.iter().map(source).collect::<Result<_>>()?),
        "text" => Argument::Text(text(value)?),
        "texts" => Argument::Texts(list()?.iter().map(text).collect::<std::result::Result<_, _>>()?),
        "number" => Argument::Number(json.number(kind)?),
        "bytes" => Argument::Bytes(from_hex(&text(value)?)?),
        "none" => Argument::None,
        other => return Err(format!("unknown argument {other}").into()),
    })
}

/// `"name"`, `{"column": "name"}` or `{"constant": [type, text or null]}`.
fn source(json: &Json) -> Result<Source> {
    if let Some(name) = json.as_text().or_else(|| json.get("column")?.as_text()) {
        return Ok(Source::Named(name.to_owned()));
    }
    match json.get("constant").and_then(Json::as_list) {
        Some([data_type, value]) => {
            let data_type = data_type.as_text().ok_or("a constant's type is not a text")?;
            Ok(Source::Constant(data_type.to_owned(), value.as_text().map(str::to_owned)))
        }
        _ => Err("neither a column nor a constant of a type and a value".into()),
    }
}

fn from_hex(digits: &str) -> Result<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?)).collect()
}
