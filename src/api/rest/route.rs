//! Pure. The REST API's routes as data: what is requested, by which method, and what the caller must be allowed.

use crate::api::auth::Scope;

/// What a route leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Are we here?
    Health,
    /// The description of all this.
    OpenApi,
    /// What clients must know to show the feature.
    Config,
    /// Start a recording.
    Start,
    /// Stop it.
    Stop,
    /// LiveKit's webhooks.
    LiveKitWebhook,
    /// May this file be fetched?
    MediaAuth,
    /// An object was stored.
    StorageHook,
    /// All recordings.
    List,
    /// One.
    Get,
    /// Remove it.
    Delete,
    /// Show it differently.
    Layout,
    /// Make a link for people without a token.
    Share,
    /// Take all those links back.
    Revoke,
}

/// One route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// HTTP's method.
    pub method: &'static str,
    /// The path; one segment may be a name in braces. The slash at its end may be left out.
    pub path: &'static str,
    /// Where it leads.
    pub endpoint: Endpoint,
    /// What the caller needs; what needs nothing is open, or has a check of its own.
    pub needs: Option<Scope>,
}

/// Every route. Of two paths that fit, the first one counts.
pub const ROUTES: &[Route] = &[
    open("GET", "/health", Endpoint::Health),
    open("GET", "/api/v1.0/openapi.json", Endpoint::OpenApi),
    open("GET", "/api/v1.0/config/", Endpoint::Config),
    open("POST", "/api/v1.0/rooms/webhooks-livekit/", Endpoint::LiveKitWebhook),
    needs(Scope::Record, "POST", "/api/v1.0/rooms/{room}/start-recording/", Endpoint::Start),
    needs(Scope::Record, "POST", "/api/v1.0/rooms/{room}/stop-recording/", Endpoint::Stop),
    needs(Scope::Read, "GET", "/api/v1.0/recordings/", Endpoint::List),
    needs(Scope::Read, "GET", "/api/v1.0/recordings/media-auth/", Endpoint::MediaAuth),
    open("POST", "/api/v1.0/recordings/storage-hook/", Endpoint::StorageHook),
    needs(Scope::Read, "GET", "/api/v1.0/recordings/{id}/", Endpoint::Get),
    needs(Scope::Delete, "DELETE", "/api/v1.0/recordings/{id}/", Endpoint::Delete),
    needs(Scope::Record, "PUT", "/api/v1.0/recordings/{id}/layout/", Endpoint::Layout),
    needs(Scope::Record, "POST", "/api/v1.0/recordings/{id}/share/", Endpoint::Share),
    needs(Scope::Record, "DELETE", "/api/v1.0/recordings/{id}/share/", Endpoint::Revoke),
];

/// What a method and a path lead to.
#[derive(Clone, Debug)]
pub enum Matched<'a> {
    /// This route, with the segment that stands for the name in braces.
    Route(&'static Route, &'a str),
    /// The path is known; these are its methods.
    Methods(Vec<&'static str>),
    /// Nothing.
    Nothing,
}

/// What is requested.
pub fn find<'a>(method: &str, path: &'a str) -> Matched<'a> {
    let Some((template, segment)) = ROUTES.iter().find_map(|route| Some((route.path, fit(route.path, path)?))) else {
        return Matched::Nothing;
    };
    let of_path = || ROUTES.iter().filter(|route| route.path == template);
    match of_path().find(|route| route.method == method) {
        Some(route) => Matched::Route(route, segment),
        None => Matched::Methods(of_path().map(|route| route.method).collect()),
    }
}

/// The segment for the name in braces (empty when there is none), if the path fits.
fn fit<'a>(template: &str, path: &'a str) -> Option<&'a str> {
    let (mut wanted, mut given) = (segments(template), segments(path));
    let mut named = "";
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(named),
            (Some(name), Some(segment)) if name.starts_with('{') && !segment.is_empty() => named = segment,
            (Some(wanted), Some(segment)) if wanted == segment => {}
            (Some(_) | None, Some(_) | None) => return None,
        }
    }
}

fn segments(path: &str) -> std::str::Split<'_, char> {
    path.strip_suffix('/').unwrap_or(path).split('/')
}

const fn open(method: &'static str, path: &'static str, endpoint: Endpoint) -> Route {
    Route { method, path, endpoint, needs: None }
}

const fn needs(scope: Scope, method: &'static str, path: &'static str, endpoint: Endpoint) -> Route {
    Route { method, path, endpoint, needs: Some(scope) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_with_and_without_its_last_slash() {
        for route in ROUTES {
            let path = route.path.replace("{room}", "a%2Fb").replace("{id}", "EG_x");
            for path in [path.as_str(), path.trim_end_matches('/')] {
                assert!(
                    matches!(find(route.method, path), Matched::Route(found, _) if found.endpoint == route.endpoint),
                    "{path}"
                );
            }
            assert!(matches!(find("PATCH", &path), Matched::Methods(_)), "{path}");
        }
    }

    #[test]
    fn what_is_near_is_not_it() {
        assert!(matches!(find("GET", "/api/v1.0/recordings/EG_x/"), Matched::Route(_, "EG_x")));
        for path in
            ["", "/", "//", "/api/v1.0/recordings//", "/api/v1.0/rooms//start-recording/", "/health//", "/Health"]
        {
            assert!(matches!(find("GET", path), Matched::Nothing), "{path}");
        }
        let Matched::Methods(methods) = find("PUT", "/api/v1.0/recordings/media-auth/") else { panic!("found") };
        assert_eq!(methods, ["GET"], "the name of a route is not an id");
    }
}
