//! What a message says of objects: an S3 event notification as S3, SNS or EventBridge put it there.

use std::fmt;

use serde_json::Value;

/// How deep notices may be wrapped: EventBridge in SNS, for example.
const DEEPEST: usize = 3;

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Objects have come to be at these locations. A name that can be read in two ways stands there in both.
    Objects(Vec<String>),
    /// Something that concerns no new object: a test, a deletion.
    Nothing,
    /// No notice of S3.
    Foreign(Foreign),
}

/// Why a message is no notice of S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Foreign {
    /// It is no JSON.
    NoJson,
    /// It is JSON of another kind.
    OtherJson,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Foreign::NoJson => "it is not JSON",
            Foreign::OtherJson => "it is JSON, but no event of S3 (direct, through SNS or through EventBridge)",
        })
    }
}

/// Reads the body of a message.
pub fn parse_message(body: &str) -> Message {
    read(body, DEEPEST)
}

fn read(body: &str, deepest: usize) -> Message {
    let Ok(value) = serde_json::from_str::<Value>(body) else { return Message::Foreign(Foreign::NoJson) };
    if let Some(records) = value.get("Records").and_then(Value::as_array) {
        return of_records(records);
    }
    if let Some(detail) = value.get("detail") {
        return of_event_bridge(&value, detail);
    }
    if value.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
        return Message::Nothing;
    }
    match value.get("Message").and_then(Value::as_str) {
        Some(inner) if deepest > 1 => read(inner, deepest - 1),
        _ => Message::Foreign(Foreign::OtherJson),
    }
}

fn of_records(records: &[Value]) -> Message {
    let mut locations = Vec::new();
    let mut recognised = records.is_empty();
    for record in records {
        let Some(object) = record.get("s3") else { continue };
        recognised = true;
        let event = record.get("eventName").and_then(Value::as_str).unwrap_or_default();
        if is_arrival(event) {
            name(object, &mut locations);
        }
    }
    settle(locations, recognised)
}

/// EventBridge says what happened in words.
fn of_event_bridge(event: &Value, detail: &Value) -> Message {
    let kind = event.get("detail-type").and_then(Value::as_str).unwrap_or_default();
    let ours = event.get("source").and_then(Value::as_str) == Some("aws.s3");
    let mut locations = Vec::new();
    if matches!(kind, "Object Created" | "Object Restore Completed") {
        name(detail, &mut locations);
    }
    settle(locations, ours)
}

fn settle(locations: Vec<String>, recognised: bool) -> Message {
    match (locations.is_empty(), recognised) {
        (false, _) => Message::Objects(locations),
        (true, true) => Message::Nothing,
        (true, false) => Message::Foreign(Foreign::OtherJson),
    }
}

/// Whether an event says that there is something to read now. Not all servers write the prefix.
fn is_arrival(event: &str) -> bool {
    let event = event.strip_prefix("s3:").unwrap_or(event);
    event.starts_with("ObjectCreated") || event == "ObjectRestore:Completed"
}

/// Adds the object that `bucket.name` and `object.key` name. S3 encodes the key, EventBridge and some servers do not,
/// and both readings may be names of objects: word of an object that is not there does no harm.
fn name(from: &Value, locations: &mut Vec<String>) {
    let text = |pointer| from.pointer(pointer).and_then(Value::as_str).filter(|text: &&str| !text.is_empty());
    let (Some(bucket), Some(key)) = (text("/bucket/name"), text("/object/key")) else { return };
    let mut add = |key: &str| {
        let location = format!("s3://{bucket}/{key}");
        if !locations.contains(&location) {
            locations.push(location);
        }
    };
    add(key);
    if let Some(decoded) = decode(key) {
        add(&decoded);
    }
}

/// A key without its encoding: `+` is a space, `%2F` a slash. `None` where it is not encoded.
fn decode(key: &str) -> Option<String> {
    if !key.contains(['+', '%']) {
        return None;
    }
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    loop {
        rest = match rest {
            [] => break,
            [b'+', behind @ ..] => {
                bytes.push(b' ');
                behind
            }
            [b'%', high, low, behind @ ..] => {
                bytes.push((hex(*high)? << 4) | hex(*low)?);
                behind
            }
            [b'%', ..] => return None,
            [plain, behind @ ..] => {
                bytes.push(*plain);
                behind
            }
        };
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(locations: &[&str]) -> Message {
        Message::Objects(locations.iter().map(|location| (*location).to_owned()).collect())
    }

    /// A record as S3 writes it.
    fn record(event: &str, key: &str) -> Value {
        serde_json::json!({
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-west-1",
            "eventTime": "2026-11-24T10:00:00.000Z", "eventName": event,
            "userIdentity": { "principalId": "AWS:AIDA" }, "requestParameters": { "sourceIPAddress": "10.0.0.1" },
            "responseElements": { "x-amz-request-id": "C3D13FE58DE4C810" },
            "s3": {
                "s3SchemaVersion": "1.0", "configurationId": "dms",
                "bucket": { "name": "landing", "ownerIdentity": { "principalId": "A" }, "arn": "arn:aws:s3:::landing" },
                "object": { "key": key, "size": 1024, "eTag": "d41d8cd9", "sequencer": "0055AED6DCD90281E5" },
            },
        })
    }

    fn direct(records: &[Value]) -> String {
        serde_json::json!({ "Records": records }).to_string()
    }

    fn event_bridge(kind: &str, key: &str) -> String {
        serde_json::json!({
            "version": "0", "id": "17793124", "detail-type": kind, "source": "aws.s3", "account": "111122223333",
            "time": "2026-11-24T10:00:00Z", "region": "eu-west-1", "resources": ["arn:aws:s3:::landing"],
            "detail": {
                "version": "0", "bucket": { "name": "landing" }, "reason": "PutObject",
                "object": { "key": key, "size": 5, "etag": "b57f", "sequencer": "00617F08299329D189" },
            },
        })
        .to_string()
    }

    fn through_sns(body: &str) -> String {
        serde_json::json!({
            "Type": "Notification", "MessageId": "95df01b4", "TopicArn": "arn:aws:sns:eu-west-1:1:t",
            "Subject": "Amazon S3 Notification", "Message": body, "Timestamp": "2026-11-24T10:00:00.000Z",
            "SignatureVersion": "1", "Signature": "x", "UnsubscribeURL": "https://sns/",
        })
        .to_string()
    }

    #[test]
    fn a_notice_names_its_object_however_it_came() {
        let expected = objects(&["s3://landing/dms/public/orders/20261124-100000000.csv"]);
        let key = "dms/public/orders/20261124-100000000.csv";
        for event in ["ObjectCreated:Put", "s3:ObjectCreated:Put", "ObjectCreated:CompleteMultipartUpload"] {
            let body = direct(&[record(event, key)]);
            assert_eq!(parse_message(&body), expected, "{event}");
            assert_eq!(parse_message(&through_sns(&body)), expected, "{event}");
        }
        let bridged = event_bridge("Object Created", key);
        assert_eq!(parse_message(&bridged), expected);
        assert_eq!(parse_message(&through_sns(&bridged)), expected);
    }

    #[test]
    fn a_key_that_may_be_encoded_is_read_in_both_ways() {
        let encoded = "dms%2Fa%2Ft%2FLOAD+1%2B%C3%A9%3D.csv";
        let both = [format!("s3://landing/{encoded}"), "s3://landing/dms/a/t/LOAD 1+é=.csv".to_owned()];
        assert_eq!(parse_message(&direct(&[record("ObjectCreated:Put", encoded)])), Message::Objects(both.to_vec()));
        let plain = objects(&["s3://landing/a+b/100%.csv"]);
        assert_eq!(parse_message(&event_bridge("Object Created", "a+b/100%.csv")), plain);
        assert_eq!(
            parse_message(&direct(&[record("s3:ObjectCreated:Put", "é/%ff")])),
            objects(&["s3://landing/é/%ff"])
        );
    }

    #[test]
    fn several_records_and_repeated_ones_are_one_list() {
        let body = direct(&[
            record("ObjectCreated:Put", "a"),
            record("ObjectRemoved:Delete", "b"),
            record("ObjectCreated:Copy", "c"),
            record("ObjectCreated:Put", "a"),
        ]);
        assert_eq!(parse_message(&body), objects(&["s3://landing/a", "s3://landing/c"]));
    }

    #[test]
    fn tests_and_deletions_say_nothing() {
        let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-11-24T10:00:00.000Z",
                       "Bucket":"landing","RequestId":"5582815E1AEA5ADF","HostId":"8cLeGAmw"}"#;
        assert_eq!(parse_message(test), Message::Nothing);
        assert_eq!(parse_message(&through_sns(test)), Message::Nothing);
        assert_eq!(parse_message(&direct(&[record("ObjectRemoved:Delete", "a")])), Message::Nothing);
        assert_eq!(parse_message(&event_bridge("Object Deleted", "a")), Message::Nothing);
        assert_eq!(parse_message(&direct(&[])), Message::Nothing);
    }

    #[test]
    fn what_is_no_notice_is_told() {
        for (body, why) in [
            ("", Foreign::NoJson),
            ("hello", Foreign::NoJson),
            ("[1]", Foreign::OtherJson),
            ("{}", Foreign::OtherJson),
            (r#"{"Records":[{"kinesis":{}}]}"#, Foreign::OtherJson),
            (r#"{"detail-type":"EC2 Instance State-change","source":"aws.ec2","detail":{}}"#, Foreign::OtherJson),
            (r#"{"Message":"{\"Message\":\"{}\"}"}"#, Foreign::OtherJson),
        ] {
            assert_eq!(parse_message(body), Message::Foreign(why), "{body}");
        }
        let mut deep = direct(&[record("ObjectCreated:Put", "a")]);
        for _ in 0..5 {
            deep = through_sns(&deep);
        }
        assert_eq!(parse_message(&deep), Message::Foreign(Foreign::OtherJson));
    }
}
