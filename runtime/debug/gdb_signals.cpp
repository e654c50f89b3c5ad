#include "runtime/debug/gdb_signals.h"

#include <csignal>

namespace ulna::runtime::debug {

namespace {

struct Row {
    int ours, gdbs;
};
constexpr Row kRows[] = {
    {SIGHUP, 1},   {SIGINT, 2},   {SIGQUIT, 3},    {SIGILL, 4},   {SIGTRAP, 5},   {SIGABRT, 6},
    {SIGFPE, 8},   {SIGKILL, 9},  {SIGBUS, 10},    {SIGSEGV, 11}, {SIGSYS, 12},   {SIGPIPE, 13},
    {SIGALRM, 14}, {SIGTERM, 15}, {SIGURG, 16},    {SIGSTOP, 17}, {SIGTSTP, 18},  {SIGCONT, 19},
    {SIGCHLD, 20}, {SIGTTIN, 21}, {SIGTTOU, 22},   {SIGIO, 23},   {SIGXCPU, 24},  {SIGXFSZ, 25},
    {SIGPROF, 27}, {SIGUSR1, 30}, {SIGVTALRM, 26}, {SIGUSR2, 31}, {SIGWINCH, 28}, {SIGPWR, 32},
    {32, 77},      {64, 78}, // the first and last real-time signal are not in the row
};
constexpr int kFirstInRow = 33, kLastInRow = 63, kGdbsFirstInRow = 45;

} // namespace

int gdb_signal(int linux_signal) {
    if (linux_signal >= kFirstInRow && linux_signal <= kLastInRow) {
        return linux_signal - kFirstInRow + kGdbsFirstInRow;
    }
    for (const Row& row : kRows) {
        if (row.ours == linux_signal) {
            return row.gdbs;
        }
    }
    return kUnknownGdbSignal;
}

int linux_signal(int gdb_signal) {
    const int in_row = gdb_signal - kGdbsFirstInRow + kFirstInRow;
    if (in_row >= kFirstInRow && in_row <= kLastInRow) {
        return in_row;
    }
    for (const Row& row : kRows) {
        if (row.gdbs == gdb_signal) {
            return row.ours;
        }
    }
    return 0;
}

} // namespace ulna::runtime::debug
