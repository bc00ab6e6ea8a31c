# A manual page in mdoc: awk -f page.awk -v date=… -v version=… HELP CONFIGURATION TEMPLATE. HELP is what the program says to --help,
# CONFIGURATION is docs/configuration.md, which comes from the table of keys: nothing that a program knows is written twice. In TEMPLATE
#   @usage, @about, @options, @commands   stand for those parts of HELP
#   @text NAME, @table NAME               for the paragraphs and the table of a section of CONFIGURATION (# NAME, ## NAME)
#   @date, @version                       for those
#   @include FILE                         for a file beside the template, of the same kind

# Text of ours as roff; `code` is bold, links are their words.
function roff(text, out, part, n, i) {
    gsub(/\\\*/, "*", text)
    while (match(text, /\[[^]`]*\]\([^)]*\)/)) {
        part[1] = substr(text, RSTART + 1, RLENGTH)
        text = substr(text, 1, RSTART - 1) substr(part[1], 1, index(part[1], "](") - 1) substr(text, RSTART + RLENGTH)
    }
    gsub(/\\/, "\\e", text)
    n = split(text, part, "`")
    for (i = 1; i <= n; i++) {
        gsub(i % 2 ? "--" : "-", i % 2 ? "\\-\\-" : "\\-", part[i])
        out = out (i % 2 ? part[i] : "\\fB" part[i] "\\fP")
    }
    gsub(/…/, "...", out)
    gsub(/−/, "-", out)
    gsub(/·/, "*", out)
    return out
}

# Text in lines of 78 columns, none of which may look like a request.
function line(text, n, i, word, out) {
    n = split(text, word, " ")
    for (i = 1; i <= n; i++) {
        if (out != "" && length(out) + 1 + length(word[i]) > 78) {
            print out
            out = ""
        }
        if (length(word[i]) > 60)
            gsub(/,/, ",\\:", word[i]) # may be broken there
        if (word[i] ~ /[_=\/]|^\\fB|[A-Z][A-Z][A-Z][A-Z]/)
            word[i] = "\\%" word[i] # not to be hyphenated
        else if (out == "" && word[i] ~ /^[.']/)
            word[i] = "\\&" word[i]
        out = out (out == "" ? "" : " ") word[i]
    }
    if (out != "")
        print out
}

# Each sentence begins a line, as mdoc has it.
function sentences(text) {
    while (match(text, /[.!?]\)? +[A-Z"\\]/)) {
        line(substr(text, 1, RSTART + RLENGTH - 2))
        text = substr(text, RSTART + RLENGTH - 1)
    }
    line(text)
}

# ---- HELP --------------------------------------------------------------------------------------------------

function collect(name, text) {
    help[name] = help[name] text "\n"
}

FILENAME == ARGV[1] {
    if (FNR == 1) {
        sub(/^Usage: /, "       ")
        split($0, word, " ")
        program = word[1]
        part = "usage"
    } else if ($0 ~ /^[A-Z][a-z]+( options)?:$/) {
        part = $0 ~ /ptions:$/ ? "options" : $0 == "Commands:" ? "commands" : "other"
        next
    } else if (part == "usage" && $0 == "") {
        part = "about"
    } else if (part != "usage" && $0 == "") {
        part = part == "about" ? part : "other"
    }
    collect(part, $0)
    next
}

function usage(n, i, lines) {
    n = split(help["usage"], lines, "\n")
    for (i = 1; i < n; i++) {
        if (lines[i] ~ "^ +" program " ") {
            print ".Nm"
            sub("^ +" program " ", "", lines[i])
        }
        gsub(/-/, "\\-", lines[i])
        line(lines[i])
    }
}

function about() {
    gsub(/\n/, " ", help["about"])
    sentences(roff(help["about"]))
}

# "-s, --status STATUS" as an item of a list.
function option(head, n, word, i, item, flag, optional) {
    n = split(head, word, /,? +/)
    item = ".It"
    for (i = 1; i <= n; i++) {
        flag = sub(/^-/, "", word[i])
        optional = word[i] ~ /^\[.*\]$/
        if (optional)
            word[i] = substr(word[i], 2, length(word[i]) - 2)
        gsub(/-/, "\\-", word[i])
        item = item (flag && item ~ /Fl/ ? " ," : "") (flag ? " Fl " : optional ? " Op Ar " : " Ar ") word[i]
    }
    print item
}

function options(n, i, lines, text) {
    n = split(help["options"], lines, "\n")
    print ".Bl -tag -width Ds"
    for (i = 1; i < n; i++) {
        if (lines[i] ~ /^  (-.,|   ) --/) {
            sentences(roff(text))
            text = ""
            if (length(lines[i]) > 28 && substr(lines[i], 27, 2) == "  ") {
                text = substr(lines[i], 29)
                lines[i] = substr(lines[i], 1, 26)
            }
            gsub(/^ +| +$/, "", lines[i])
            option(lines[i])
        } else {
            sub(/^ +/, " ", lines[i])
            text = text lines[i]
        }
    }
    sentences(roff(text))
    print ".El"
}

function commands(n, i, lines, at) {
    n = split(help["commands"], lines, "\n")
    print ".Bl -tag -width Ds"
    for (i = 1; i < n; i++) {
        if (lines[i] ~ /^  [^ ]/) {
            sub(/^ +/, "", lines[i])
            gsub(/-/, "\\-", lines[i])
            at = index(lines[i] " ", " ")
            print ".It Cm " substr(lines[i], 1, at - 1) (at <= length(lines[i]) ? " No" substr(lines[i], at) "\\&" : "")
        } else {
            sentences(roff(lines[i]))
        }
    }
    print ".El"
}

# ---- CONFIGURATION -----------------------------------------------------------------------------------------

FILENAME == ARGV[2] {
    if ($0 ~ /^```/)
        fenced = !fenced
    else if (!fenced && sub(/^#+ /, ""))
        section = $0
    else if (!fenced && $0 ~ /^\| /)
        tables[section] = tables[section] $0 "\n"
    else if ($0 !~ /^(<!--|\|---)/)
        texts[section] = texts[section] (fenced ? "\002" : "") $0 "\n"
    next
}

function text_of(name, n, i, lines, paragraph, inside) {
    n = split(texts[name], lines, "\n")
    for (i = 1; i <= n; i++) {
        if (sub(/^\002/, "", lines[i])) {
            if (!inside)
                print ".Bd -literal -offset indent"
            inside = 1
            gsub(/-/, "\\-", lines[i])
            print lines[i]
            continue
        }
        if (inside) {
            print ".Ed"
            inside = 0
        }
        if (lines[i] != "") {
            paragraph = paragraph " " lines[i]
        } else if (paragraph != "") {
            if (begun++)
                print ".Pp"
            sentences(roff(paragraph))
            paragraph = ""
        }
    }
    begun = 0
}

# A row a key: what it means, then the other columns by their names.
function table(name, n, i, j, m, lines, cell, title, words) {
    n = split(tables[name], lines, "\n")
    m = split(lines[1], title, / *\| */)
    print ".Bl -tag -width Ds"
    for (i = 2; i < n; i++) {
        gsub(/\\\|/, "\003", lines[i])
        split(lines[i], cell, / *\| */)
        gsub(/\\\*/, " *", cell[2])
        print ".It Cm " cell[2]
        sentences(roff(cell[m - 1]))
        words = ""
        for (j = 3; j < m - 1; j++) {
            gsub(/\003/, "|", cell[j])
            words = words (words == "" ? "" : "; ") title[j] ": " cell[j]
        }
        if (words != "") {
            print ".br"
            line(roff("(" words ")"))
        }
    }
    print ".El"
}

# ---- TEMPLATE ----------------------------------------------------------------------------------------------

function expand(text,    file, folder) {
    if (text == "@usage") usage()
    else if (text == "@about") about()
    else if (text == "@options") options()
    else if (text == "@commands") commands()
    else if (sub(/^@text /, "", text)) text_of(text)
    else if (sub(/^@table /, "", text)) table(text)
    else if (sub(/^@include /, "", text)) {
        folder = ARGV[3]
        sub(/[^\/]*$/, "", folder)
        while ((getline file < (folder text)) > 0)
            expand(file)
        close(folder text)
    } else {
        gsub(/@date/, date, text)
        gsub(/@version/, version, text)
        print text
    }
}
{ expand($0) }
