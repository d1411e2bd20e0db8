# What `make test` says of scenarios that had to be repeated (tests/support/attempts.rs): more than one in twenty fails. And
# where a busy machine was judged less strictly (tests/support/load.rs).
BEGIN { FS = "\t" }
$1 == "played" && !seen[$2]++ { played++ }
$1 == "repeated" { repeated++; print "repeated: " $2 ": " $3 }
$1 == "wide" { print "busy: " $2 ": " $3 }
END {
    printf "%d of %d scenarios of real-time media had to be repeated\n", repeated, played
    if (repeated * 20 > played) { print "more than one in twenty: this is no accident"; exit 1 }
}
