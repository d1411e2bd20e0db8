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
    use crate::api::rest::route::ROUTES;

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
