# SPDX-License-Identifier: GPL-2.0-or-later
# The .zshrc of a zsh that runs on a terminal of its own. Completes each line of $COMPLETION_LINES, a
# command line up to the cursor, as Tab does, and adds a line to $COMPLETION_REPLY: what compadd was
# given for it and matched, with tabs between. Then it ends.
fpath=($COMPLETION_FOLDER $fpath)
autoload -Uz compinit
compinit -u -D
# Only what is really there, not descriptions of what is not.
zstyle ':completion:*' format ''

typeset -a offered
compadd() {
    # Calls that only ask compadd which words match add nothing.
    if [[ " ${(j: :)@[1,(i)(-|--)]}" == *' '-[a-zA-Z]#[OAD]\ * ]]; then
        builtin compadd "$@"
        return
    fi
    local -a hits
    builtin compadd -O hits "$@"
    offered+=("${hits[@]}")
    builtin compadd "$@"
}
setopt extended_glob

complete-and-record() {
    offered=()
    _main_complete
    print -r -- "${(pj:\t:)offered}" >>$COMPLETION_REPLY
    compstate[list]='' compstate[insert]='' # nothing is to be shown, and nothing asked
}
zle -C complete-and-record complete-word complete-and-record

zle-line-init() {
    local line
    for line in "${(@f)$(<$COMPLETION_LINES)}"; do
        BUFFER=$line
        CURSOR=$#BUFFER
        zle complete-and-record
    done
    exit 0
}
zle -N zle-line-init
