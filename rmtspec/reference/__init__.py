"""The same laws written a second time: slow, at any number of digits, on code of their own.

The modules take plain numbers and sequences and need mpmath and sympy only. Nothing in `rmtspec`
imports them; import the one that is wanted:

===================  ===========================================================================
`random_feature`     Theorem 3.1 of arXiv 2505.17638 in its own variables, edges, moments
`sample_covariance`  the equation of Silverstein and Bai (1995), edges, moments
`conditional`        the random-feature law given one data set, edges and masses
`structured`         random features of several types on classes of data and noise levels
`replica`            the replica action in symbols and its saddle point
`linear_pencil`      the matrix Dyson equation of a linear pencil of U, after George, Veiga and
                     Macris (arXiv 2502.00336)
`two_resolvents`     products of two resolvents of U with a matrix between them
`learning_curves`    training, test and score error of the random-feature model over time
`linear_denoiser`    averages of affine denoisers: ridge, losses, divergences, curves, sampler
`algebraic_curve`    isotropic data: P(q, z) = 0, its discriminant, and the edges it yields
===================  ===========================================================================
"""
