"""A metric of one's own: 1 where the equation the model wrote comes to the answer.

    hone optimize --signature "question -> equation: str(..40)" --metric "command:python3 examples/equation_score.py" …

Small models can see which numbers to add long before they can add them. So the model writes the equation, and code computes.
The prediction is text of a model: it is parsed and walked through, never executed.
"""

import ast
import json
import operator
import sys

OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def value_of(node):
    if isinstance(node, ast.Expression):
        return value_of(node.body)
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -value_of(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS:
        return OPERATIONS[type(node.op)](value_of(node.left), value_of(node.right))
    raise ValueError("only numbers, + - * / and parentheses")


def score(equation, answer):
    try:
        value = value_of(ast.parse(equation.strip(), mode="eval"))
    except (ValueError, SyntaxError, ArithmeticError, RecursionError, MemoryError) as fault:
        return {"score": 0, "feedback": f"'{equation}' is no equation: {fault}"}
    if abs(value - answer) <= 1e-6 * max(1, abs(answer)):
        return {"score": 1}
    return {"score": 0, "feedback": f"{equation} is {value:g}, and the answer is {answer:g}"}


for line in sys.stdin:
    run = json.loads(line)
    print(json.dumps(score(run["prediction"]["equation"], float(run["example"]["answer"]))), flush=True)
