package command

// completionScripts are what has shells ask the appliance, by shell.
var completionScripts = map[string]string{
	"bash": `# Completion of berth and dokku in bash:
#   berth completion bash > /usr/local/share/bash-completion/completions/berth
_berth() {
  local line=${COMP_LINE:0:COMP_POINT} prefix i
  local -a words
  read -r -a words <<<"$line"
  [[ $line != *[[:space:]] ]] || words+=("")
  mapfile -t COMPREPLY < <("${words[0]}" complete -- "${words[@]:1}" 2>/dev/null </dev/null)
  # Where a colon ends a word, only what is behind it is to be completed.
  if [[ ${words[-1]} == *:* && $COMP_WORDBREAKS == *:* ]]; then
    prefix=${words[-1]%"${words[-1]##*:}"}
    for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=${COMPREPLY[i]#"$prefix"}; done
  fi
}
complete -F _berth berth dokku
`,
	"zsh": `#compdef berth dokku
# Completion of berth and dokku in zsh:
#   berth completion zsh > /usr/local/share/zsh/site-functions/_berth
_berth() {
  local -a candidates
  candidates=(${(f)"$($words[1] complete -- "${(@)words[2,CURRENT]}" 2>/dev/null </dev/null)"})
  compadd -- $candidates
}
if [ "$funcstack[1]" = "_berth" ]; then
  _berth "$@"
else
  compdef _berth berth dokku
fi
`,
	"fish": `# Completion of berth and dokku in fish:
#   berth completion fish > /etc/fish/completions/berth.fish
function __berth_complete
    set -l words (commandline -opc)
    set -l program $words[1]
    set -e words[1]
    set -l current (commandline -ct)
    $program complete -- $words "$current" 2>/dev/null </dev/null
end
complete -c berth -f -a '(__berth_complete)'
complete -c dokku -f -a '(__berth_complete)'
`,
}
