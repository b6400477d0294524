# SPDX-FileCopyrightText: the sinval authors
# SPDX-License-Identifier: MIT
"""
For gdb on sinval-explore: stops at the fatal step, and shows the stack of each backend.

    backends       all of them, each with its stack
    backend N      the stack of backend N; up, down and print then look at it, till `backend` without
                   a number goes back to where the program is, as is needed before `continue`
"""
import gdb

# What a switch has saved, from the stack pointer on (fiber.c); then the address it returns to.
SAVED = ["r15", "r14", "r13", "r12", "rbx", "rbp", "rip"]
STATES = ["", " (sleeps)", " (has finished)", " (has died)"]

real = {}


def value(text):
    return gdb.parse_and_eval(text)


def go_back():
    for name, number in real.items():
        gdb.execute("set $%s = %d" % (name, number))
    real.clear()


def go_to(number):
    go_back()
    if "x86-64" not in gdb.selected_frame().architecture().name():
        raise gdb.GdbError("stacks are switched on x86-64 only")
    stack = int(value("(unsigned long)machine.processes[%d].fiber.stack_pointer" % number))
    for name in SAVED + ["rsp"]:
        real[name] = int(value("(unsigned long)$%s" % name))
    for place, name in enumerate(SAVED):
        word = int(value("*(unsigned long *)%d" % (stack + 8 * place)))
        gdb.execute("set $%s = %d" % (name, word))
    gdb.execute("set $rsp = %d" % (stack + 8 * len(SAVED)))
    gdb.execute("frame 0", to_string=True)


def is_running(number):
    return value("machine.running == &machine.processes[%d].fiber" % number)


def state(number):
    return int(value("machine.processes[%d].state" % number))


class Backend(gdb.Command):
    def __init__(self):
        super().__init__("backend", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        go_back()
        count = int(value("machine.settings.backends"))
        if argument and not (argument.isdigit() and int(argument) < count):
            raise gdb.GdbError("there is no backend '%s', only 0 to %d" % (argument, count - 1))
        if argument and not is_running(int(argument)):
            if state(int(argument)) == 2:
                raise gdb.GdbError("backend %s has finished: it has no stack" % argument)
            go_to(int(argument))
        gdb.execute("backtrace")


class Backends(gdb.Command):
    def __init__(self):
        super().__init__("backends", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for number in range(int(value("machine.settings.backends"))):
            running = is_running(number)
            print("backend %d%s:" % (number, " (runs)" if running else STATES[state(number)]))
            if running or state(number) != 2:
                gdb.execute("backend %d" % number)
        go_back()


Backend()
Backends()
gdb.execute("set pagination off")
gdb.execute("set breakpoint pending on")
gdb.execute("set debuginfod enabled off", to_string=True)
gdb.execute("break explore_fatal_step")
