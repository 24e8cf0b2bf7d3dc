//! JSON as nobody should send it: any, and valid JSON that was changed at some places.

use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::{Value, json};

use crate::one_of;

/// Any JSON, with numbers that fit nowhere and nesting that is too deep among it.
pub(crate) fn any_json() -> impl Strategy<Value = String> {
    let odd = "null|true|0|-0|1e999|-1e-999|123456789012345678901234567890|1.5|\"\"|[]|{}|\"\\u0000\"|\"\\ud800\"|\"a b\"|\
               \"http://\"|\"*\"|\"//x\"|\"\\\\\"|[\"a\",1,null]|{\"\":null}|[null]|\"ABC=\"";
    let leaf = prop_oneof![
        one_of(odd).prop_map(String::from),
        any::<String>().prop_map(|text| json!(text).to_string())
    ];
    let tree = leaf.prop_recursive(4, 24, 4, |inner| {
        let key = prop_oneof![
            one_of("Data|Metadata|req|Url|Method|Headers|Params|Body|item").prop_map(String::from),
            "[a-z\"]{0,3}"
        ];
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            vec((key, inner), 0..4).prop_map(|fields| {
                let fields: Vec<_> =
                    fields.iter().map(|(key, value)| format!("{}:{value}", json!(key))).collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    });
    let deep = (one_of("[|{\"a\":"), 1..3000_usize).prop_map(|(open, depth)| open.repeat(depth));
    prop_oneof![9 => tree, 1 => deep]
}

/// What is done to a valid payload: another value, no value or another name at one place, or other bytes.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Replace(Index, String),
    Remove(Index),
    Bytes(Index, Vec<u8>),
    Cut(Index),
}

pub(crate) fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (any::<Index>(), any_json()).prop_map(|(place, value)| Change::Replace(place, value)),
        1 => any::<Index>().prop_map(Change::Remove),
        2 => (any::<Index>(), vec(any::<u8>(), 1..4)).prop_map(|(place, bytes)| Change::Bytes(place, bytes)),
        1 => any::<Index>().prop_map(Change::Cut),
    ]
}

/// The JSON pointers to all places in a value.
fn places(value: &Value, path: &str, found: &mut Vec<String>) {
    let fields: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value)).collect()
        }
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => return,
    };
    for (key, value) in fields {
        let path = format!("{path}/{key}");
        found.push(path.clone());
        places(value, &path, found);
    }
}

/// The payload's text after the changes; a value that no JSON tree can hold stands where a mark was.
pub(crate) fn changed(mut payload: Value, changes: &[Change]) -> Vec<u8> {
    let mut marks = Vec::new();
    for change in changes {
        let (Change::Replace(index, _) | Change::Remove(index)) = change else { continue };
        let mut found = Vec::new();
        places(&payload, "", &mut found);
        if found.is_empty() {
            continue;
        }
        let place = index.get(&found);
        match change {
            Change::Replace(_, text) => {
                let mark = format!("mark {}", marks.len());
                if let Some(value) = payload.pointer_mut(place) {
                    *value = json!(mark);
                }
                marks.push((json!(mark).to_string(), text));
            }
            _ => {
                let (parent, key) = place.rsplit_once('/').unwrap_or_default();
                if let Some(Value::Object(fields)) = payload.pointer_mut(parent) {
                    fields.remove(key);
                }
            }
        }
    }
    let mut text = payload.to_string();
    for (mark, value) in marks {
        text = text.replace(&mark, value);
    }
    let mut bytes = text.into_bytes();
    for change in changes {
        match change {
            Change::Bytes(index, new) if !bytes.is_empty() => {
                let at = index.index(bytes.len());
                let end = (at + new.len()).min(bytes.len());
                bytes.splice(at..end, new.iter().copied());
            }
            Change::Cut(index) => bytes.truncate(index.index(bytes.len() + 1)),
            _ => {}
        }
    }
    bytes
}
