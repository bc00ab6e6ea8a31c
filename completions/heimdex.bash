# bash completion of Heimdex's tools and daemons. Commands and options are those that the program itself names in its
# --help, so there is nothing here to forget; nothing here asks a database.

_heimdex_statuses="queued running succeeded failed canceled dead_letter"

# The long options of a program; of heimdexctl, once its command is known, those that the command takes.
_heimdex_options() { # program, command
    "$1" --help 2>/dev/null | awk -v command="$2" '
        /^[A-Z][a-z]+( options)?:$/ { part = $1 }
        /^  (-.,|   ) --/ && (part == "Common" || command == "") { sub(/^ +(-., )?/, ""); print $1 }
        part == "Commands:" && /^  [^ ]/ && $1 == command {
            gsub(/[][]/, " ")
            for (i = 2; i <= NF; i++) if ($i ~ /^--/) print $i
            print "--json"
        }'
}

# The first words of the lines below "Commands:"; where there is no such part, of what stands between the bars of the usage.
_heimdex_commands() { # program
    "$1" --help 2>/dev/null | awk '
        /^Usage:/ { usage = 1; sub(/^Usage: [^ ]+/, "") }
        /^$/ { usage = 0 }
        usage { text = text " " $0 }
        /^Commands:/ { listed = 1; next }
        listed && /^$/ { exit }
        listed && /^  [^ ]/ { print $1 }
        END { if (!listed) { n = split(text, part, / \| /); for (i = 1; i <= n; i++) { split(part[i], word, " "); print word[1] } } }'
}

# Job types that this host has handlers for.
_heimdex_types() { # program
    echo mock_process
    "$1" --show-config 2>/dev/null | sed -n 's/^handlers += .*{ type = "\([^"]*\)";.*/\1/p'
}

_heimdex_revisions() {
    heimdex-migrate history 2>/dev/null </dev/null | sed 's/^[^ ]* -> \([^ ,]*\).*/\1/'
}

_heimdex_words() { # words
    local IFS=$' \t\n'
    COMPREPLY=($(compgen -W "$1" -- "$cur"))
}

_heimdex_files() { # -f or -d, what stands before the name
    compopt -o filenames
    local IFS=$'\n'
    COMPREPLY=($(compgen "$1" -P "$2" -- "${cur#"$2"}"))
}

# The value of the option before the cursor, if it takes one that can be told; 1: it is not one of these.
_heimdex_value() {
    case $prev in
    --config | --services | --batch) _heimdex_files -f ;;
    --against) _heimdex_files -f ;;
    --chain | --alembic) _heimdex_files -d ;;
    --payload) case $cur in @*) _heimdex_files -f @ ;; esac ;;
    --status | -s) [[ $1 == heimdexctl ]] && _heimdex_words "$_heimdex_statuses" ;;
    --type | -t) _heimdex_words "$(_heimdex_types "$program")" ;;
    --org | --since | --until | --limit | -n | --job | --error | -e | --reason | -r | --only | --message | -m | --rev-id | --rev-range | \
        --lock-timeout | --statement-timeout | --map-status | --priority | --key | --requested-by | --delay | --at | --max-attempts | \
        --timeout) ;;
    -j) [[ $1 == heimdexctl ]] || return 1 ;;
    *) return 1 ;;
    esac
    return 0
}

# The first word that is neither an option nor the value of one.
_heimdex_command() {
    local i commands=" $(_heimdex_commands "$program" | tr '\n' ' ') "
    for ((i = 1; i < cword; i++)); do
        [[ $commands == *" ${words[i]} "* ]] && printf '%s' "${words[i]}" && return
    done
}

_heimdexctl() {
    local cur prev words cword split program=$1 command
    _init_completion -s || return
    _heimdex_value heimdexctl && return
    command=$(_heimdex_command)
    case $cur in
    -*) _heimdex_words "$(_heimdex_options "$program" "$command")" ;;
    *) case $command in
        "") _heimdex_words "$(_heimdex_commands "$program")" ;;
        pause | resume) _heimdex_words "$(_heimdex_types "$program")" ;;
        esac ;;
    esac
}

_heimdex_submit() {
    local cur prev words cword split program=$1
    _init_completion -s || return
    _heimdex_value heimdex-submit && return
    case $cur in
    -*) _heimdex_words "$(_heimdex_options "$program")" ;;
    *) _heimdex_words "$(_heimdex_types "$program")" ;;
    esac
}

_heimdex_migrate() {
    local cur prev words cword split program=$1
    _init_completion -s || return
    _heimdex_value heimdex-migrate && return
    case $cur in
    -[!0-9]* | -) _heimdex_words "$(_heimdex_options "$program")" ;;
    *) case $(_heimdex_command) in
        "") _heimdex_words "$(_heimdex_commands "$program")" ;;
        upgrade) _heimdex_words "head +1 $(_heimdex_revisions)" ;;
        downgrade) _heimdex_words "-1 base $(_heimdex_revisions)" ;;
        stamp) _heimdex_words "head base $(_heimdex_revisions)" ;;
        show) _heimdex_words "head $(_heimdex_revisions)" ;;
        esac ;;
    esac
}

# A daemon takes options alone; what one of them wants is named behind it in --help.
_heimdex_daemon() {
    local cur prev words cword split program=$1
    _init_completion -s || return
    case $("$program" --help 2>/dev/null | awk -v option="$prev" '$1 == option && $2 ~ /^[A-Z:]+$/ { print $2 }') in
    FILE) _heimdex_files -f ;;
    DIR) _heimdex_files -d ;;
    "") _heimdex_words "$(_heimdex_options "$program")" ;;
    esac
}

complete -F _heimdexctl heimdexctl
complete -F _heimdex_submit heimdex-submit
complete -F _heimdex_migrate heimdex-migrate
complete -F _heimdex_daemon heimdex-supervisor heimdex-worker heimdex-scheduler heimdex-broker
