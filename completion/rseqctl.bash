# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Completion of rseqctl(1) for bash. tests/cli/completion holds it against "rseqctl --help".

# The units of all processes, one in a line, in the form that "rseqctl status" takes.
_rseqctl_units() {
    # A quote inside of a JSON string has a backslash before it: no name can look like a member.
    "$1" status --json short 2>/dev/null | grep -oE '"unit":"([^"\\]|\\.)*"' |
        sed -e 's/^"unit":"//' -e 's/"$//' -e 's/\\\(.\)/\1/g' | sort -u
}

_rseqctl() {
    local program=$1 cur prev words cword
    # A unit such as getty@tty1.service is one word, and so is --json=short.
    _get_comp_words_by_ref -n '=:@' cur prev words cword

    local options='-h --help' verb='' at=0 word
    for ((at = 1; at < cword; ++at)); do
        word=${words[at]}
        if [[ $word == -* ]]; then
            continue
        elif [[ $verb == policy ]]; then
            verb+=" $word"
            break
        fi
        verb=$word
        [[ $verb == policy ]] || break
    done
    case $verb in
        '') options+=' --version' ;;
        policy) ;;
        'policy list' | 'policy show') options+=' --direct -H --host --json --no-legend --no-pager' ;;
        'policy check') options+=' --json --no-legend --no-pager' ;;
        'policy set')
            options+=' --mode --slice --glibc --expect --runtime -H --host --json --no-legend --no-pager'
            ;;
        'policy unset') options+=' -H --host --json --no-legend --no-pager' ;;
        'policy apply') options+=' --dry-run -H --host --json --no-legend --no-pager' ;;
        run)
            # Behind the options and their values comes the command, with whatever arguments.
            for ((++at; at < cword; ++at)); do
                case ${words[at]} in
                    --mode | --slice) ((++at)) ;;
                    -?*) [[ ${words[at]} != -- ]] || verb='run --' ;;
                    *)
                        COMPREPLY=()
                        compopt -o default 2>/dev/null
                        return
                        ;;
                esac
            done
            options+=' --mode --slice'
            ;;
        status)
            options+=' --threads --mode --unit --direct --probe --all -H --host'
            options+=' --json --no-legend --no-pager'
            ;;
        explain) options+=' --probe --json --no-legend --no-pager' ;;
        monitor) options+=' --kind --mode -H --host --json --no-legend' ;;
        slice) options+=' --duration --runtime --json --no-legend --no-pager' ;;
        export) options+=' --format --output' ;;
        doctor) options+=' --json --no-legend --no-pager' ;;
        bench) options+=' --rounds --json --no-legend --no-pager' ;;
        violations) options+=' --since -D --directory -H --host --json --no-legend --no-pager' ;;
        verify) options+=' --json --no-legend --no-pager' ;;
        *) return ;;
    esac

    # What stands before the word to complete within $cur: "--mode=v1,"
    local before='' option=$prev
    if [[ $cur == --*=* ]]; then
        option=${cur%%=*}
        before=$option=
        cur=${cur#*=}
    fi
    local candidates=''
    case $option in
        --format) candidates=$'prometheus\njson' ;;
        --output) candidates=$(compgen -A file -- "$cur") ;;
        --since | --duration | --rounds) ;;
        --json) candidates=$'short\npretty\noff' ;;
        --slice) candidates=$'allow\ndeny' ;;
        --glibc) candidates=$'on\noff' ;;
        --expect) candidates=$'none\nv1\nv2' ;;
        --mode | --kind)
            if [[ $cur == *,* ]]; then
                before+=${cur%,*},
                cur=${cur##*,}
            fi
            candidates=$'v1\nv2\nmixed\nnone\nunknown'
            if [[ $verb == run || $verb == policy* ]]; then
                candidates=$'auto\nlegacy\noff'
            fi
            if [[ $option == --kind ]]; then
                candidates=$'registration\nunregistration\nrefusal\npolicy\nviolation\nexec\nexit\nslice'
            fi
            ;;
        -H | --host) candidates=$(compgen -A hostname) ;;
        -D | --directory) candidates=$(compgen -A directory -- "$cur") ;;
        --unit) candidates=$(_rseqctl_units "$program") ;;
        *)
            if [[ -n $before ]]; then
                return
            elif [[ $cur == -* && $verb != 'run --' ]]; then
                candidates=${options// /$'\n'}
            elif [[ -z $verb ]]; then
                candidates=$'status\nexplain\nmonitor\nviolations\nslice\nexport\ndoctor\nverify\nbench\npolicy\nrun'
            elif [[ $verb == policy ]]; then
                candidates=$'list\nshow\ncheck\nset\nunset\napply'
            elif [[ $verb == 'policy check' ]]; then
                candidates=$(compgen -f -- "$cur")
            elif [[ $verb == 'policy set' || $verb == 'policy unset' ]]; then
                candidates=$(_rseqctl_units "$program")
            elif [[ $verb == run* ]]; then
                candidates=$(compgen -c -- "$cur")
            elif [[ $verb == status || $verb == monitor || $verb == violations || $verb == 'policy show' ]]; then
                candidates=$(cd /proc && printf '%s\n' [1-9]*; _rseqctl_units "$program")
            elif [[ $verb == slice && $prev == slice ]]; then
                candidates=$'set-length\nhist'
            elif [[ $verb == explain || $prev == hist ]]; then
                candidates=$(cd /proc && printf '%s\n' [1-9]*)
            fi
            ;;
    esac

    # Readline replaces only what follows the last of its own word breaks.
    local breaks=${COMP_WORDBREAKS//[^=:@]/} typed=$before$cur kept='' candidate
    if [[ -n $breaks && $typed == *[$breaks]* ]]; then
        kept=${typed%"${typed##*["$breaks"]}"}
    fi
    COMPREPLY=()
    while IFS= read -r candidate; do
        if [[ -n $candidate && $candidate == "$cur"* ]]; then
            candidate=$before$candidate
            candidate=${candidate#"$kept"}
            if [[ $candidate == *[^a-zA-Z0-9_.,:=@/-]* ]]; then
                candidate=$(printf '%q' "$candidate")
            fi
            COMPREPLY+=("$candidate")
        fi
    done <<<"$candidates"
}

complete -F _rseqctl rseqctl
