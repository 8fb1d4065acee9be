"""What nobody's signal tells: queues that grow, workers and beats that are gone, bots that do nothing.

Each worker's main process leaves a sign of life in Redis, from a thread of its own; one of them, elected by a lease,
looks at all of them and at the queues, and tells each trouble once, and once more when it is over.
"""
