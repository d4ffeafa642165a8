"""`ganforge reports`: the stored scores as tables, ranked, compared, over time, and by SQL.

    ganforge reports
    ganforge reports best --recipe mnist_mlp --metric fid
    ganforge reports query "select optimizer, avg(value) from reports where metric = 'fid' group by optimizer"

In: the report store. Out: an `Answer`, printed as text, JSON or CSV. `commands.py` has the parameters of all commands;
one module per command has its answer.
"""
