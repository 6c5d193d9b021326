# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# usage: bash completion_driver.bash COMPLETION RSEQCTL <LINES
# Each line of the input, a command line up to the cursor, gives one line of output: what the
# function that is registered for rseqctl offers, with tabs between.
set -u
source /usr/share/bash-completion/bash_completion
# shellcheck source=completion/rseqctl.bash
source "$1"
program=$2
breaks=${COMP_WORDBREAKS//[^=:@]/}

registered=$(complete -p rseqctl)
function=${registered#* -F }
function=${function%% *}

# Sets COMP_* as readline does: a run of word breaks is a word of its own.
split() {
    local rest=$1 word="^( *)([$breaks]+|[^$breaks ]+)(.*)\$"
    COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=()
    while [[ $rest =~ $word ]]; do
        COMP_WORDS+=("${BASH_REMATCH[2]}")
        rest=${BASH_REMATCH[3]}
    done
    [[ $1 != *' ' ]] || COMP_WORDS+=('')
    # Right after a break it is the break itself that is completed.
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
}

while IFS= read -r line; do
    split "$line"
    COMP_WORDS[0]=$program
    COMP_LINE=$program${line#rseqctl}
    COMP_POINT=${#COMP_LINE}
    COMPREPLY=()
    "$function" "$program" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    (IFS=$'\t' && printf '%s\n' "${COMPREPLY[*]}")
done
