"""Any exchange of the ccxt library, behind the same port as the adapters of fmzthreads."""
