//! `GET /api/v1.0/openapi.json`: the description of this API.

use std::sync::LazyLock;

use serde_json::{Value, json};
use warp::reply::Response;

use crate::api::reply;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let mut document: Value = serde_saphyr::from_str(include_str!("../openapi.yaml")).expect("a test reads it");
    document["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
    document
});

/// OpenAPI 3.1. Open to all: it says nothing that the sources do not say.
pub(super) fn get() -> Response {
    reply::json(200, &*DOCUMENT)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::body;
    use crate::api::rest::links::{DAYS, DAYS_MAX};
    use crate::api::rest::recordings::PAGE_MAX;
    use crate::api::rest::route::ROUTES;
    use crate::api::rest::start::StartBody;
    use crate::document;
    use crate::recording::WorkerClasses;

    /// Is this body of start-recording good, but for what only this machine knows?
    fn is_good(options: Value) -> bool {
        let body = document::read(json!({"mode": "screen_recording", "options": options}), "");
        let modes = WorkerClasses::default();
        let output = |start: StartBody| modes.of(&start.mode)?.output(&start.encoding, "options.");
        body.and_then(StartBody::read).and_then(output).is_ok()
    }

    /// A text of this option, so long.
    fn text(name: &str, length: usize) -> String {
        match name {
            "language" | "locale" => "abcdefgh-".repeat(length / 9 + 1)[..length].to_owned(),
            "output_key" => {
                format!("{}.mp4", "a".repeat(200) + "/" + &"b".repeat(200) + "/" + &"c".repeat(length - 406))
            }
            "email" => format!("{}@{}", "a".repeat(64), "b".repeat(length - 65)),
            _ => "a".repeat(length),
        }
    }

    #[test]
    fn the_document_has_the_ranges_that_are_checked() {
        let mut checked = 0;
        let schemas = &DOCUMENT["components"]["schemas"];
        let options = schemas["Options"]["properties"].as_object().unwrap().iter().map(|one| (one, false));
        let owners = schemas["Owner"]["properties"].as_object().unwrap().iter().map(|one| (one, true));
        for ((name, schema), of_owner) in options.chain(owners) {
            let good = |value: Value| {
                let mut object = json!({ name: value });
                if of_owner && name != "email" {
                    object["email"] = json!("ada@example.org");
                }
                is_good(if of_owner { json!({ "owner": object }) } else { object })
            };
            if let (Some(least), Some(most)) = (schema["minimum"].as_u64(), schema["maximum"].as_u64()) {
                let step = schema["multipleOf"].as_u64().unwrap_or(1);
                assert!(good(json!(least)) && good(json!(most)), "{name}: {least} to {most}");
                assert!(!good(json!(least - step)) && !good(json!(most + step)), "{name}: {least} to {most}");
                checked += 1;
            }
            if let Some(most) = schema["maxLength"].as_u64() {
                let most = usize::try_from(most).unwrap();
                // There is no zone with a name so long.
                assert!(good(json!(text(name, most))) || name == "time_zone", "{name}: {most}");
                assert!(!good(json!(text(name, most + 1))), "{name}: {most}");
                checked += 1;
            }
        }
        assert!(checked >= 14, "{checked}");
        let share = "/api/v1.0/recordings/{id}/share/";
        let body = &DOCUMENT["paths"][share]["post"]["requestBody"]["content"]["application/json"]["schema"];
        let days = &body["properties"]["expires_in_days"];
        assert_eq!((&days["default"], &days["maximum"]), (&json!(DAYS), &json!(DAYS_MAX)));
        let longest = |schema: &Value| usize::try_from(schema["maxLength"].as_u64().unwrap()).unwrap();
        let room = longest(&DOCUMENT["components"]["parameters"]["Room"]["schema"]);
        assert!(body::room(&"r".repeat(room)).is_ok() && body::room(&"r".repeat(room + 1)).is_err());
        let start = &DOCUMENT["paths"]["/api/v1.0/rooms/{room}/start-recording/"]["post"];
        let key = longest(&start["parameters"][0]["schema"]);
        let plain = || StartBody::read(document::read(json!({"mode": "m"}), "").unwrap()).unwrap();
        let with = |length: usize| plain().with_idempotency_key(Some(&"k".repeat(length)));
        assert!(with(key).is_ok() && with(key + 1).is_err());
        let pages = &DOCUMENT["paths"]["/api/v1.0/recordings/"]["get"]["parameters"];
        let size = pages.as_array().unwrap().iter().find(|one| one["name"] == "page_size").unwrap();
        assert!(size["description"].as_str().unwrap().starts_with(&format!("More than {PAGE_MAX} are {PAGE_MAX}")));
    }

    #[test]
    fn the_document_has_every_route_and_no_other() {
        let mut documented = BTreeSet::new();
        for (path, operations) in DOCUMENT["paths"].as_object().unwrap() {
            for method in operations.as_object().unwrap().keys().filter(|key| *key != "parameters") {
                documented.insert((path.clone(), method.to_uppercase()));
            }
        }
        let routes: BTreeSet<_> = ROUTES.iter().map(|route| (route.path.to_owned(), route.method.to_owned())).collect();
        assert_eq!(documented, routes);
    }

    #[test]
    fn the_document_names_the_scope_that_each_route_needs() {
        for route in ROUTES {
            let operation = &DOCUMENT["paths"][route.path][route.method.to_lowercase()];
            let words = operation["description"].as_str().unwrap_or_default();
            let scope = route.needs.map_or(String::new(), |scope| format!("Scope: `{}`.", scope.name()));
            assert!(words.contains(&scope) && operation["operationId"].is_string(), "{} {}", route.method, route.path);
        }
    }
}
