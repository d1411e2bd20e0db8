//! What stands below the flags of each verb: examples, exit codes, where to read more.

/// Examples, exit codes, and the rest.
macro_rules! below {
    ($examples:literal, $codes:literal) => {
        concat!(
            "Examples:\n",
            $examples,
            "\n\nExit codes: 0 done, ",
            $codes,
            "64 a flag or the configuration is wrong\n\n",
            "Read more: README.md beside the sources; `greffier config --options` lists every option"
        )
    };
}

/// Those that talk to a sidecar.
macro_rules! asks {
    ($examples:literal) => {
        concat!(
            below!($examples, "1 refused, or no sidecar answers, "),
            ";\nthe API itself is described at /api/v1.0/openapi.json of the sidecar"
        )
    };
}

pub(super) const PROGRAM: &str = below!(
    "  greffier check                                        is everything there that a recording needs?\n  \
     greffier record --room daily --output daily.mp4       one recording, here and now\n  \
     greffier serve                                        the sidecar; then, in another terminal:\n  \
     greffier start --room daily",
    "1 failed, 3 it broke and what was recorded is kept, "
);

pub(super) const RECORD: &str = below!(
    "  export LIVEKIT_URL=wss://livekit.example.org LIVEKIT_API_KEY=… LIVEKIT_API_SECRET=…\n  \
     greffier record --room daily --output daily.mp4\n  \
     greffier record --room daily --output daily.mp4 --audio-only --duration 1h30m\n  \
     greffier record --room daily --output daily.mp4 --layout grid --width 1920 --height 1080",
    "1 nothing was recorded, 3 it broke and what was recorded is kept, "
);

pub(super) const SERVE: &str = below!(
    "  greffier serve --url wss://livekit.example.org --api-key … --api-secret …\n  \
     greffier serve --config greffier.yaml\n  \
     EGRESS_CONFIG_FILE=egress.yaml greffier serve         in the place of LiveKit Egress",
    "1 failed, "
);

pub(super) const CHECK: &str = below!(
    "  greffier check --config greffier.yaml\n  \
     greffier check --room daily                           also whether media comes through, in a room that is open",
    "1 something must be put right first, "
);

pub(super) const CONFIG: &str = below!(
    "  greffier config                                       what holds, and who says so\n  \
     greffier config --options                             every option there is",
    "1 failed, "
);

pub(super) const START: &str = asks!(
    "  greffier start --room daily\n  \
     greffier start --room daily --mode transcript --duration 1h30m\n  \
     id=$(greffier start --room daily --layout grid-dark)  the id alone is on standard output"
);

pub(super) const STOP: &str = asks!("  greffier stop --room daily\n  greffier stop EG_nPQZPwZEVdHN");

pub(super) const LIST: &str = asks!(
    "  greffier list --room daily --limit 100\n  \
     greffier list --status active\n  \
     greffier list --json --limit 0 | jq -r '.[].path'"
);

pub(super) const SHOW: &str = asks!("  greffier show EG_nPQZPwZEVdHN\n  greffier show EG_nPQZPwZEVdHN --json");

pub(super) const SHARE: &str =
    asks!("  greffier share EG_nPQZPwZEVdHN --days 7\n  greffier share EG_nPQZPwZEVdHN --revoke");

pub(super) const DELETE: &str =
    asks!("  greffier delete EG_nPQZPwZEVdHN\n  greffier delete EG_nPQZPwZEVdHN --keep-file");

pub(super) const RECOVER: &str = below!(
    "  greffier recover --from-bucket --dry-run --config greffier.yaml\n  \
     greffier recover --from-bucket --config greffier.yaml --data-dir /tmp/recovered\n  \
     greffier recover --from-bucket --id EG_nPQZPwZEVdHN   its sidecar is known to be gone",
    "1 something could not be recovered, "
);

pub(super) const TOKEN: &str = below!(
    "  greffier token --room daily --ttl 30m\n  \
     curl -H \"Authorization: Bearer $(greffier token --room daily)\" 'http://127.0.0.1:7990/api/v1.0/recordings/?room=daily'",
    ""
);

pub(super) const COMPLETIONS: &str = below!(
    "  greffier completions bash > ~/.local/share/bash-completion/completions/greffier\n  \
     greffier completions zsh > ~/.zfunc/_greffier\n  \
     greffier completions fish > ~/.config/fish/completions/greffier.fish",
    ""
);

pub(super) const MAN: &str = below!(
    "  mkdir -p ~/.local/share/man/man1\n  \
     greffier man ~/.local/share/man/man1                  then: man greffier, man greffier-record",
    ""
);
