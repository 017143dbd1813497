// How long the threads that compute wait for each other before they sleep.
#pragma once

namespace hone::cli {

// GCC's OpenMP, with which a local model computes, lets a thread that waits for the others spin for
// milliseconds. Where another program wants the same processors, most of them go into that: a
// search beside one busy loop took four times as long as with threads that sleep after some
// microseconds, and without it no less (docs/performance.md). The setting is taken from the
// environment when a process begins, so this begins the process anew with it. It returns where the
// environment has one already (GOMP_SPINCOUNT or OMP_WAIT_POLICY), or where that fails.
//
// Call it before anything is read, written or started. `arguments` are those of main.
void shorten_openmp_waiting(char** arguments);

}  // namespace hone::cli
