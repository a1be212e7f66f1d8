"""What holds back the orders of a strategy that runs wild: limits, a breaker, a kill switch, a dead-man switch."""
