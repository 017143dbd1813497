"""Losses optuna's TPE reaches on the functions of samplers.cpp: `samplers_optuna.py SEEDS TRIALS` prints JSON."""

import json
import math
import sys
import warnings

import optuna

ALPHA = [1.0, 1.2, 3.0, 3.2]
A = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
P = [
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
]


def box(trial, n, low, high):
    return [trial.suggest_float(f"x{i}", low, high) for i in range(n)]


def rosenbrock2(trial):
    x, y = box(trial, 2, -2, 2)
    return 100 * (y - x * x) ** 2 + (1 - x) ** 2


def branin(trial):
    x, y = trial.suggest_float("x0", -5, 10), trial.suggest_float("x1", 0, 15)
    a = y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6
    return a * a + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def hartmann6(trial):
    x = box(trial, 6, 0, 1)
    return -sum(
        ALPHA[i] * math.exp(-sum(A[i][j] * (x[j] - P[i][j]) ** 2 for j in range(6))) for i in range(4)
    )


def ackley4(trial):
    x = box(trial, 4, -15, 30)
    squares, waves = sum(v * v for v in x) / 4, sum(math.cos(2 * math.pi * v) for v in x) / 4
    return -20 * math.exp(-0.2 * math.sqrt(squares)) - math.exp(waves) + 20 + math.e


def rastrigin3(trial):
    return 30 + sum(v * v - 10 * math.cos(2 * math.pi * v) for v in box(trial, 3, -5.12, 5.12))


def learning_rate(trial):
    batch = trial.suggest_int("batch", 1, 256)
    decay = math.log10(trial.suggest_float("decay", 1e-6, 1e-1, log=True))
    rate = math.log10(trial.suggest_float("rate", 1e-5, 1, log=True))
    return (rate + 2.5) ** 2 + 0.3 * (decay + 4) ** 2 + 0.5 * ((batch - 48) / 64) ** 2 + 0.4 * (rate + 2.5) * (decay + 4)


def prompts(trial):
    d = trial.suggest_categorical("demos", list(range(10)))
    f = trial.suggest_categorical("format", list(range(4)))
    i = trial.suggest_categorical("instructions", list(range(10)))
    return 1.0 - 0.4 * math.cos(d * 1.3) / (1 + f) - 0.3 * math.sin(i * 2.1) - 0.1 * math.cos((d + i) * 0.9)


def structure(trial):
    if trial.suggest_categorical("kind", ["near", "far"]) == "near":
        x, y = trial.suggest_float("near.x", -3, 3), trial.suggest_float("near.y", -3, 3)
        return 0.5 + (x - 1) ** 2 + (y + 2) ** 2
    n = trial.suggest_int("far.n", 1, 40)
    return 0.1 * abs(n - 23) + (math.log10(trial.suggest_float("far.rate", 1e-4, 1, log=True)) + 2) ** 2


FUNCTIONS = {
    "sphere5": lambda trial: sum(v * v for v in box(trial, 5, -5, 5)),
    "rosenbrock2": rosenbrock2,
    "branin": branin,
    "hartmann6": hartmann6,
    "ackley4": ackley4,
    "rastrigin3": rastrigin3,
    "learning_rate": learning_rate,
    "prompts": prompts,
    "structure": structure,
}


def main():
    seeds, trials = int(sys.argv[1]), int(sys.argv[2])
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    out = {}
    for name, function in FUNCTIONS.items():
        out[name] = []
        for seed in range(seeds):
            study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True))
            study.optimize(function, n_trials=trials)
            out[name].append(study.best_value)
    print(json.dumps(out))


if __name__ == "__main__":
    main()
