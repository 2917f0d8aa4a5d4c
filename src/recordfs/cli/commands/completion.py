"""``recordfs completion``: a script that lets a shell complete commands, options and file names."""

from __future__ import annotations

import argparse
import importlib
from typing import TYPE_CHECKING, NamedTuple, cast

from recordfs.cli.arguments import add_common_arguments
from recordfs.cli.command_table import COMMAND_GROUPS, module_of
from recordfs.cli.status import OK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recordfs.cli.application import Command
    from recordfs.cli.console import Console

DESCRIPTION = """\
Print a script for a shell that completes the names of commands, their options, the values of options
that take one of a few, and local file names.
"""

EXAMPLES = """\
recordfs completion bash > ~/.local/share/bash-completion/completions/recordfs
recordfs completion zsh > ~/.zfunc/_recordfs    # with fpath+=~/.zfunc before compinit in ~/.zshrc
recordfs completion fish > ~/.config/fish/completions/recordfs.fish
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("shell", choices=sorted(_SCRIPTS), help="which shell the script is for")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Print the script."""
    console.print_lines("\n".join(_SCRIPTS[arguments.shell](list(_completions()))))
    return OK


class _Option(NamedTuple):
    """One option: its spellings, what it does, and the values that it takes, if these are few."""

    spellings: tuple[str, ...]
    help: str
    choices: tuple[str, ...]


class _Completion(NamedTuple):
    """One command, with its summary and options. A command of a family has two words, such as ``checkpoint show``."""

    name: str
    summary: str
    options: list[_Option]


def _completions() -> Iterator[_Completion]:
    """Yield every command; each is imported for its options."""
    for entries in COMMAND_GROUPS.values():
        for entry in entries:
            parser = argparse.ArgumentParser(prog=entry.name, add_help=False)
            cast("Command", importlib.import_module(module_of(entry))).add_arguments(parser)
            add_common_arguments(parser)
            options = [
                _Option(
                    tuple(action.option_strings),
                    (action.help or "").partition(";")[0].partition(" (")[0] % {},
                    tuple(map(str, action.choices or ())),
                )
                for action in parser._actions
                if action.option_strings
            ]
            yield _Completion(entry.name, entry.summary, options)


def _families(commands: list[_Completion]) -> dict[str, list[str]]:
    """Return the second words that may follow each first word; none after a command of one word."""
    families: dict[str, list[str]] = {}
    for command in commands:
        family, _, second = command.name.partition(" ")
        families.setdefault(family, []).extend([second] if second else [])
    return families


def _bash(commands: list[_Completion]) -> Iterator[str]:
    families = _families(commands)
    yield "# bash completion for recordfs"
    yield "_recordfs() {"
    yield '    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" words='
    yield '    local command="${COMP_WORDS[1]}"'
    yield '    case "$command" in'
    for family, seconds in families.items():
        if seconds:
            yield f"        {family})"
            yield f'            if [ "$COMP_CWORD" -eq 2 ]; then words={_quoted(" ".join(seconds))}'
            yield '            else command="$command ${COMP_WORDS[2]}"; fi ;;'
    yield "    esac"
    yield '    if [ "$COMP_CWORD" -eq 1 ]; then'
    yield f"        words={_quoted(' '.join(families))}"
    yield '    elif [ -z "$words" ]; then'
    yield '        case "$command $previous" in'
    for command in commands:
        for option in command.options:
            if option.choices:
                cases = "|".join(_quoted(f"{command.name} {spelling}") for spelling in option.spellings)
                yield f"            {cases}) words={_quoted(' '.join(option.choices))} ;;"
    yield "        esac"
    yield '        if [ -z "$words" ]; then'
    yield '            case "$command $current" in'
    for command in commands:
        spellings = " ".join(spelling for option in command.options for spelling in option.spellings)
        yield f"                {_quoted(command.name + ' -')}*) words={_quoted(spellings)} ;;"
    yield "            esac"
    yield "        fi"
    yield "    fi"
    yield '    COMPREPLY=($(compgen -W "$words" -- "$current"))'
    yield "}"
    # Where nothing of the above fits, file names: bash adds them itself.
    yield "complete -o default -o bashdefault -F _recordfs recordfs"


def _zsh(commands: list[_Completion]) -> Iterator[str]:
    families = _families(commands)
    yield "#compdef recordfs"
    yield "if (( CURRENT == 2 )); then"
    yield "    local -a commands=("
    for family, seconds in families.items():
        summaries = [command.summary for command in commands if command.name == family]
        told = summaries[0] if summaries else ", ".join(seconds)
        yield f"        {_quoted(f'{family}:{told}')}"
    yield "    )"
    yield "    _describe command commands"
    yield "    return"
    yield "fi"
    yield "local command=$words[2]"
    yield "shift words; (( CURRENT-- ))"
    yield "case $command in"
    for family, seconds in families.items():
        if seconds:
            yield f"    {family})"
            yield "        if (( CURRENT == 2 )); then"
            yield f"            compadd {' '.join(seconds)}"
            yield "            return"
            yield "        fi"
            yield '        command="$command $words[2]"'
            yield "        shift words; (( CURRENT-- )) ;;"
    yield "esac"
    yield "case $command in"
    for command in commands:
        yield f"    {_quoted(command.name)}) _arguments \\"
        for option in command.options:
            choices = f":value:({' '.join(option.choices)})" if option.choices else ""
            told = option.help.replace("[", "(").replace("]", ")").replace(":", ",")
            for spelling in option.spellings:
                yield f"        {_quoted(f'{spelling}[{told}]{choices}')} \\"
        yield "        '*:file:_files' ;;"
    yield "esac"


def _fish(commands: list[_Completion]) -> Iterator[str]:
    yield "# fish completion for recordfs"
    for family, seconds in _families(commands).items():
        if seconds:
            yield f"complete -c recordfs -n __fish_use_subcommand -f -a {family}"
    for command in commands:
        told = _quoted_for_fish(command.summary)
        family, _, second = command.name.partition(" ")
        if second:
            where = f"-n '__fish_seen_subcommand_from {family}; and not __fish_seen_subcommand_from {second}'"
        else:
            where = "-n __fish_use_subcommand"
        yield f"complete -c recordfs {where} -f -a {second or family} -d {told}"
        for option in command.options:
            spellings = " ".join(
                f"-l {spelling[2:]}" if spelling.startswith("--") else f"-s {spelling[1:]}"
                for spelling in option.spellings
            )
            choices = f" -x -a {_quoted_for_fish(' '.join(option.choices))}" if option.choices else ""
            seen = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in command.name.split())
            where = f"-n '{seen}'"
            yield f"complete -c recordfs {where} {spellings}{choices} -d {_quoted_for_fish(option.help)}"


def _quoted(text: str) -> str:
    """Return a text as one word of bash or zsh."""
    return "'" + text.replace("'", "'\\''") + "'"


def _quoted_for_fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_SCRIPTS = {"bash": _bash, "fish": _fish, "zsh": _zsh}
