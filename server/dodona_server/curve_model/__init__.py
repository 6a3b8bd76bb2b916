"""A model of learning curves: it predicts the later values of a trial from its own curve and from those of the others.

    model = fit([Curve(positions, bests, Progress.ENDED), ...])
    forecast = model.predict(position, best, earlier_best)      # of any trial, in any position
    forecast.mean, forecast.deviation                           # in the unit of the objective, at the end of training
    model.chance_of_exceeding(forecast, value)

Positions are steps or seconds. Values are the best so far, oriented so that larger is better. `fit` takes milliseconds
and belongs into a process that fits models; a fitted model is a small picklable value, and forecasts take microseconds.
Everything is a function of the arguments: no random numbers, no clock. Pure; imports only the domain, NumPy and SciPy.
"""
